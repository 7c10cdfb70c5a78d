"""Identifiers grow with time."""

from fourpoint_core.ids import LOCAL_USER_ID, new_id


def test_ids_are_of_version_7() -> None:
    assert new_id().version == 7


def test_a_later_id_is_larger() -> None:
    made = [new_id() for _ in range(1000)]
    assert made == sorted(made)


def test_the_built_in_user_keeps_its_id() -> None:
    assert str(LOCAL_USER_ID) == "01900000-0000-7000-8000-000000000001"
