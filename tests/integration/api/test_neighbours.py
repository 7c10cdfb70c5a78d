"""The image strip: what comes before and after an image in a list."""

from uuid import UUID

import pytest
from flask.testing import FlaskClient
from tests.factories import make_sample
from tests.integration.store.documents import Object, make_label, save_document

from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.session import Sessions


@pytest.fixture
def strip(sessions: Sessions, dataset: Dataset) -> list[Sample]:
    """Four images."""
    return [make_sample(sessions, dataset, name=f"{9 - n}.png", size_bytes=n % 2) for n in range(4)]


def around(client: FlaskClient, sample: Sample, query: str = "") -> tuple[str | None, str | None]:
    answer = client.get(f"/v1/samples/{sample.id}/neighbours{query}")
    assert answer.status_code == 200, answer.json
    return answer.json["previous"], answer.json["next"]


def test_neighbours_are_those_of_the_list(client: FlaskClient, strip: list[Sample]) -> None:
    assert around(client, strip[1]) == (str(strip[0].id), str(strip[2].id))


def test_at_the_ends_there_is_nothing(client: FlaskClient, strip: list[Sample]) -> None:
    assert (around(client, strip[0])[0], around(client, strip[3])[1]) == (None, None)


@pytest.mark.parametrize(
    ("sort", "before", "after"),
    [("-created_at", 2, 0), ("name", 2, 0), ("-name", 0, 2), ("size", 2, 3), ("-size", 3, 2)],
)
def test_neighbours_follow_the_sort(
    client: FlaskClient, strip: list[Sample], sort: str, before: int, after: int
) -> None:
    found = around(client, strip[1], f"?sort={sort}")
    if sort.endswith("size"):
        assert {*found} >= {str(strip[3].id)}
    else:
        assert found == (str(strip[before].id), str(strip[after].id))


def test_an_image_that_has_just_left_its_tab_still_has_neighbours_there(
    client: FlaskClient, sessions: Sessions, dataset: Dataset, strip: list[Sample]
) -> None:
    label = make_label(sessions, dataset, "cat", 1)
    for sample in strip[1:3]:
        save_document(sessions, sample.id, [Object(label.id)])
    query = "?status=unlabeled"
    assert around(client, strip[1], query) == (str(strip[0].id), str(strip[3].id))
    assert around(client, strip[1], "?status=labeled") == (None, str(strip[2].id))


def test_the_neighbours_of_an_unknown_image_are_not_found(client: FlaskClient, unknown_id: UUID) -> None:
    assert client.get(f"/v1/samples/{unknown_id}/neighbours").json["code"] == "not_found"


def test_a_bad_filter_is_pointed_at(client: FlaskClient, strip: list[Sample]) -> None:
    answer = client.get(f"/v1/samples/{strip[0].id}/neighbours?limit=5")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "?limit")
