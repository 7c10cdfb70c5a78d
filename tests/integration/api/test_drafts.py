"""Drafts: kept as often as one likes, seen by nobody else, gone with the save."""

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from tests.integration.api.conftest import PersonMaker
from tests.integration.api.inventory import Inventory

from fourpoint_core.domain.access import Role
from fourpoint_core.store.models import Dataset, Sample

TRIANGLE = {"parts": [{"outer": [[10, 10], [90, 10], [50, 70]], "holes": []}]}
HALF = {"parts": [{"outer": [[10, 10], [90, 10]]}]}


@pytest.fixture
def address(sample: Sample) -> str:
    """Where the draft is."""
    return f"/v1/samples/{sample.id}/draft"


@pytest.fixture
def document(sample: Sample) -> str:
    """Where the document is."""
    return f"/v1/samples/{sample.id}/annotations"


def entry(**more: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "contour": TRIANGLE, "label": "cat", **more}


def test_a_draft_is_kept_and_read(client: FlaskClient, address: str) -> None:
    entries = [entry(attributes={"a": [1]}, visible=False), {"contour": HALF}]
    kept = client.put(address, json={"annotations": entries})
    assert (kept.status_code, kept.json["annotations"]) == (200, entries)
    assert client.get(address).json == kept.json


def test_a_draft_takes_the_place_of_the_one_before(client: FlaskClient, address: str) -> None:
    for entries in ([entry(), entry()], [entry()]):
        client.put(address, json={"annotations": entries})
    assert client.get(address).json["annotations"] == entries


def test_a_draft_says_when_the_document_has_moved_on(client: FlaskClient, address: str, document: str) -> None:
    begun = client.put(address, json={"annotations": [entry()]}).json
    assert (begun["base_revision"], begun["moved_on"]) == (0, False)
    client.post(document, json=entry())
    later = client.put(address, json={"annotations": [entry(), entry()]}).json
    assert (later["base_revision"], later["current_revision"], later["moved_on"]) == (0, 1, True)


def test_a_draft_begins_where_its_author_says(client: FlaskClient, address: str, document: str) -> None:
    client.put(address, json={"annotations": []})
    client.post(document, json=entry())
    kept = client.put(address, json={"annotations": [], "base_revision": 1}).json
    assert (kept["base_revision"], kept["moved_on"]) == (1, False)


def test_a_draft_cannot_begin_in_the_future(client: FlaskClient, address: str, inventory: Inventory) -> None:
    before = inventory()
    answer = client.put(address, json={"annotations": [], "base_revision": 1})
    assert answer.json["errors"][0]["code"] == "revision_unknown"
    assert inventory() == before


def test_saving_the_document_clears_the_draft(client: FlaskClient, address: str, document: str) -> None:
    client.put(address, json={"annotations": [entry()]})
    tag = client.get(document).headers["ETag"]
    client.put(document, json={"annotations": [entry()]}, headers={"If-Match": tag})
    assert client.get(address).status_code == 404


def test_deleting_the_document_clears_the_draft(client: FlaskClient, address: str, document: str) -> None:
    client.put(address, json={"annotations": [entry()]})
    client.delete(document, headers={"If-Match": client.get(document).headers["ETag"]})
    assert client.get(address).status_code == 404


def test_an_object_that_is_saved_alone_leaves_the_draft(
    client: FlaskClient, address: str, document: str
) -> None:
    first, second, other = entry(), entry(), entry()
    client.post(document, json=second)
    client.put(address, json={"annotations": [first, second, other]})
    client.post(document, json=first)
    assert client.get(address).json["annotations"] == [second, other]
    client.patch(f"{document}/{second['id']}", json={"difficult": True})
    assert client.get(address).json["annotations"] == [other]


def test_a_draft_whose_last_object_is_saved_is_none(client: FlaskClient, address: str, document: str) -> None:
    only = entry()
    client.put(address, json={"annotations": [only]})
    client.post(document, json=only)
    assert client.get(address).status_code == 404


def test_what_is_undone_leaves_the_draft(client: FlaskClient, address: str, document: str) -> None:
    client.post(document, json=entry())
    client.put(address, json={"annotations": [entry()]})
    undone = client.post(
        document.replace("annotations", "undo"), headers={"If-Match": client.get(document).headers["ETag"]}
    )
    assert undone.status_code == 200
    assert len(client.get(address).json["annotations"]) == 1


def test_a_save_that_fails_leaves_the_draft(client: FlaskClient, address: str, document: str) -> None:
    client.put(address, json={"annotations": [entry()]})
    client.put(document, json={"annotations": [entry()]}, headers={"If-Match": '"document-7"'})
    assert len(client.get(address).json["annotations"]) == 1


def test_a_draft_is_its_authors_alone(
    person: PersonMaker, dataset: Dataset, address: str, document: str, client: FlaskClient
) -> None:
    labeler, other = (person(dataset, Role.LABELER) for _ in range(2))
    labeler.put(address, json={"annotations": [entry()]})
    assert other.get(address).status_code == 404
    tag = other.get(document).headers["ETag"]
    other.put(document, json={"annotations": [entry()]}, headers={"If-Match": tag})
    assert labeler.get(address).json["moved_on"] is True


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (
            {"annotations": [{"contour": {"parts": [{"outer": [[1, "2"]]}]}}]},
            "/annotations/0/contour/parts/0/outer/0",
        ),
        ({"annotations": [{"colour": "red"}]}, "/annotations/0/colour"),
        ({"annotations": [{"attributes": {"a": "x" * 9000}}]}, "/annotations/0/attributes"),
        ({"annotations": [{}] * 5001}, "/annotations"),
        ({"annotations": [], "base_revision": -1}, "/base_revision"),
        ({}, "/annotations"),
    ],
)
def test_a_draft_that_is_none_is_refused(
    client: FlaskClient, address: str, inventory: Inventory, body: dict[str, Any], pointer: str
) -> None:
    before = inventory()
    answer = client.put(address, json=body)
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert inventory() == before
