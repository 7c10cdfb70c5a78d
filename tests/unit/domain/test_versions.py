"""Names of versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpoint_core.domain.versions import check_version_name, default_version_name
from fourpoint_core.errors import InvalidInputError


@pytest.mark.parametrize("name", ["V001", "a", "A-b_9", "x" * 32, "-", "_"])
def test_a_name_of_letters_digits_and_two_marks_is_taken_as_it_is(name: str) -> None:
    assert check_version_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 33, "a b", "a/b", "a.b", "ä", "1\u0663", "a\n", "..", "a\0"])
def test_anything_else_is_refused_with_a_pointer(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_version_name(name)
    assert [(x.pointer, x.code) for x in caught.value.errors] == [("/name", "version_name")]


@given(st.integers(1, 1500), st.sets(st.integers(1, 1500).map(lambda n: f"V{n:03d}")))
def test_a_name_by_default_is_free_valid_and_counts_up(number: int, taken: set[str]) -> None:
    name = default_version_name(number, taken)
    assert check_version_name(name) not in taken
    assert int(name[1:]) >= number
