"""How often a request asks the database: round trips are what saves and lists are made of.

As a labeler, whose role each request looks up. A number that grew is a decision, and is changed here by hand.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from tests.factories import make_sample
from tests.integration.api.conftest import Person, PersonMaker
from tests.integration.statements import statements
from tests.integration.store.documents import make_label

from fourpoint_core.domain.access import Role
from fourpoint_core.store.models import Dataset, Label, Sample
from fourpoint_core.store.session import Sessions

TRIANGLE = {"parts": [{"outer": [[10, 10], [90, 10], [50, 70]], "holes": []}]}
SMALL = {"parts": [{"outer": [[1, 1], [9, 1], [5, 7]], "holes": []}]}


@pytest.fixture
def labeler(person: PersonMaker, dataset: Dataset) -> Person:
    """Somebody who was recognised a moment ago."""
    found = person(dataset, Role.LABELER)
    found.get("/v1/me")
    return found


@pytest.fixture
def label(sessions: Sessions, dataset: Dataset) -> Label:
    """A label that there is."""
    return make_label(sessions, dataset, "cat", 1)


def item(label: Label, **more: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "label_id": str(label.id), "contour": TRIANGLE, **more}


def address(sample: Sample) -> str:
    return f"/v1/samples/{sample.id}/annotations"


def asked(request: Callable[[], Any], status: int = 200) -> list[str]:
    """What a request says to the database."""
    with statements() as seen:
        answer = request()
    assert answer.status_code == status, answer.text
    return seen


def writes(seen: list[str]) -> int:
    """How many of the statements write."""
    return sum("write_revisions" in statement or statement.split()[0] != "SELECT" for statement in seen)


# The role; the sample, locked, with the label and whether there is room; and one statement that writes it all.


@pytest.mark.parametrize("before", [0, 11])
def test_an_object_is_added_by_three_statements_whatever_is_there(
    before: int, labeler: Person, sample: Sample, label: Label
) -> None:
    items = [item(label) for _ in range(before)]
    labeler.put(address(sample), json={"annotations": items}, headers={"If-Match": "*"})
    seen = asked(lambda: labeler.post(address(sample), json=item(label)), 201)
    assert (len(seen), writes(seen)) == (3, 1)


# The role; the sample, locked, with what is there and its labels; and one statement that writes it all.


def test_a_document_is_replaced_by_three_statements_however_many_objects_it_has(
    labeler: Person, sample: Sample, label: Label
) -> None:
    items = [item(label) for _ in range(20)]
    labeler.put(address(sample), json={"annotations": items}, headers={"If-Match": "*"})
    changed = [{**one, "contour": SMALL} for one in items[:19]] + [item(label)]
    seen = asked(lambda: labeler.put(address(sample), json={"annotations": changed}, headers={"If-Match": "*"}))
    assert (len(seen), writes(seen)) == (3, 1)


def test_an_object_is_changed_by_five_statements(labeler: Person, sample: Sample, label: Label) -> None:
    first = item(label)
    labeler.post(address(sample), json=first)
    body = {"contour": SMALL}
    seen = asked(
        lambda: labeler.patch(f"{address(sample)}/{first['id']}", json=body, headers={"If-Match": "*"})
    )
    assert len(seen) <= 6
    assert writes(seen) == 1


def test_a_save_that_says_nothing_new_writes_nothing(labeler: Person, sample: Sample, label: Label) -> None:
    first = item(label)
    labeler.post(address(sample), json=first)
    seen = asked(lambda: labeler.post(address(sample), json=first))
    assert writes(seen) == 0


def test_a_draft_costs_statements_only_where_there_is_one(
    labeler: Person, sample: Sample, label: Label
) -> None:
    first = item(label)
    assert labeler.put(f"/v1/samples/{sample.id}/draft", json={"annotations": [first]}).status_code == 200
    seen = asked(lambda: labeler.post(address(sample), json=first), 201)
    assert len(seen) > 3
    assert labeler.get(f"/v1/samples/{sample.id}/draft").status_code == 404


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("", 2),
        ("/samples", 2),
        # Of a path it is asked whether few lie below; and of an empty page, whether the dataset is there.
        ("/samples?label_id={label}&created_within=1mo&path_prefix=none/&labeled_by={user}", 4),
        ("/stats", 6),
        ("/search-conditions", 5),
    ],
    ids=["dashboard", "page", "four filters", "counts", "search conditions"],
)
def test_what_is_read_of_a_dataset_is_so_many_statements_however_much_is_in_it(
    path: str,
    count: int,
    labeler: Person,
    dataset: Dataset,
    sessions: Sessions,
    sample: Sample,
    label: Label,
) -> None:
    where = f"/v1/datasets/{dataset.id}{path.format(label=label.id, user=labeler.user.id)}"
    few = asked(lambda: labeler.get(where))
    for number in range(3):
        other = make_sample(sessions, dataset, name=f"{number}.png")
        another = make_label(sessions, dataset, f"dog {number}", 2 + number)
        labeler.post(address(other), json=item(another))
    assert (len(few), len(asked(lambda: labeler.get(where)))) == (count, count)


def test_neighbours_are_two_statements(labeler: Person, sample: Sample, label: Label) -> None:
    where = f"/v1/samples/{sample.id}/neighbours?label_id={label.id}"
    assert len(asked(lambda: labeler.get(where))) == 2
