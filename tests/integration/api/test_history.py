"""Revisions: listed, read, compared, undone, redone, restored."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import update
from tests.factories import make_sample
from tests.integration.api.inventory import Inventory
from werkzeug.test import TestResponse

from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.models import Dataset, Label, Sample
from fourpoint_core.store.session import Sessions, unit_of_work

TRIANGLE = {"parts": [{"outer": [[10, 10], [90, 10], [50, 70]], "holes": []}]}
SMALL = {"parts": [{"outer": [[1, 1], [9, 1], [5, 7]], "holes": []}]}


class Story:
    """A sample and what is done to it."""

    def __init__(self, client: FlaskClient, sample: Sample):
        self.client = client
        self.base = f"/v1/samples/{sample.id}"

    def tag(self) -> dict[str, str]:
        return {"If-Match": self.client.get(f"{self.base}/annotations").headers["ETag"]}

    def document(self) -> dict[str, Any]:
        return self.client.get(f"{self.base}/annotations").json

    def ids(self) -> list[str]:
        return [item["id"] for item in self.document()["annotations"]]

    def add(self, label: str = "cat") -> str:
        body = {"id": str(uuid4()), "contour": TRIANGLE, "label": label}
        return self.client.post(f"{self.base}/annotations", json=body).json["id"]

    def put(self, *items: dict[str, Any]) -> TestResponse:
        body = {"annotations": list(items)}
        return self.client.put(f"{self.base}/annotations", json=body, headers=self.tag())

    def post(self, what: str) -> TestResponse:
        return self.client.post(f"{self.base}/{what}", headers=self.tag())

    def status(self) -> str:
        return self.client.get(self.base).json["status"]

    def get(self, what: str) -> TestResponse:
        return self.client.get(f"{self.base}/{what}")


@pytest.fixture
def story(client: FlaskClient, sample: Sample) -> Story:
    """Of an image without annotations."""
    return Story(client, sample)


# Undo and redo


def test_undo_takes_the_last_save_back(story: Story) -> None:
    first = story.add()
    story.add()
    undone = story.post("undo")
    assert ([item["id"] for item in undone.json["annotations"]], undone.json["revision"]) == ([first], 3)


def test_redo_takes_the_undo_back(story: Story) -> None:
    story.add()
    before = story.document()["annotations"]
    story.post("undo")
    assert story.post("redo").json["annotations"] == before


def test_several_steps_are_undone_and_redone(story: Story) -> None:
    made = [story.add() for _ in range(4)]
    for left in (3, 2, 1, 0):
        story.post("undo")
        assert story.ids() == made[:left]
    for there in (1, 2, 3, 4):
        story.post("redo")
        assert story.ids() == made[:there]


def test_what_can_be_undone_and_redone_is_said(story: Story) -> None:
    story.add()
    assert (story.document()["undo_to"], story.document()["redo_to"]) == (0, None)
    undone = story.post("undo").json
    assert (undone["undo_to"], undone["redo_to"]) == (None, 1)


@pytest.mark.parametrize("what", ["undo", "redo"])
def test_where_the_history_ends_nothing_is_undone(story: Story, what: str, inventory: Inventory) -> None:
    before = inventory()
    answer = story.post(what)
    assert (answer.status_code, answer.json["code"]) == (409, "history_end")
    assert inventory() == before


def test_undo_ends_at_the_empty_document(story: Story) -> None:
    story.add()
    story.post("undo")
    assert story.post("undo").json["code"] == "history_end"


def test_a_save_after_an_undo_begins_a_line_of_its_own(story: Story) -> None:
    first, lost = story.add(), story.add()
    story.post("undo")
    third = story.add()
    assert story.post("redo").json["code"] == "history_end"
    story.post("undo")
    assert story.ids() == [first]
    assert story.get("revisions/2").json["annotations"][-1]["id"] == lost
    story.post("redo")
    assert story.ids() == [first, third]


def test_an_undo_gives_back_who_made_and_edited_what(story: Story) -> None:
    made = story.add()
    story.put({"id": made, "contour": SMALL})
    before = story.document()["annotations"]
    story.put()
    assert story.post("undo").json["annotations"] == before


def test_an_undo_is_a_revision_of_its_author(story: Story) -> None:
    story.add()
    story.post("undo")
    latest = story.get("revisions").json["items"][0]
    assert (latest["number"], latest["action"], latest["author_id"]) == (2, "undo", str(LOCAL_USER_ID))


def test_undoing_the_first_object_makes_an_image_unlabeled(story: Story) -> None:
    story.add()
    story.post("undo")
    assert story.status() == "unlabeled"
    story.post("redo")
    assert story.status() == "labeled"


@pytest.mark.parametrize("what", ["undo", "redo", "revisions/0/restore"])
def test_history_moves_only_for_who_has_seen_the_document(story: Story, what: str) -> None:
    stale = story.tag()
    story.add()
    assert story.client.post(f"{story.base}/{what}").status_code == 428
    answer = story.client.post(f"{story.base}/{what}", headers=stale)
    assert (answer.status_code, answer.json["changes"]["current"]) == (412, 1)


# Restoring


def test_a_revision_is_restored_and_the_restoration_undone(story: Story) -> None:
    first = story.add()
    story.add()
    story.put()
    restored = story.post("revisions/1/restore").json
    assert [item["id"] for item in restored["annotations"]] == [first]
    assert story.get("revisions").json["items"][0]["restored_from"] == 1
    assert story.post("undo").json["annotations"] == []


def test_the_empty_document_is_restored(story: Story) -> None:
    story.add()
    assert story.post("revisions/0/restore").json["annotations"] == []


@pytest.mark.parametrize("number", [7, 2147483647])
def test_no_revision_is_not_restored(story: Story, number: int) -> None:
    assert story.post(f"revisions/{number}/restore").status_code == 404
    assert story.get(f"revisions/{number}").status_code == 404
    assert story.get(f"revisions/{number}/changes").status_code == 404


def test_a_number_beyond_all_numbers_names_no_revision(story: Story) -> None:
    assert story.get("revisions/99999999999999").status_code == 404


def test_what_needs_a_deleted_label_waits_for_the_label(
    story: Story, sessions: Sessions, dataset: Dataset
) -> None:
    story.add()
    label = story.document()["annotations"][0]["label"]["id"]
    story.put()
    with unit_of_work(sessions) as session:
        session.execute(update(Label).values(deleted_at="2026-01-01T00:00:00Z"))
    answer = story.post("undo")
    assert (answer.status_code, answer.json["code"]) == (409, "label_deleted")
    assert story.client.post(f"/v1/datasets/{dataset.id}/labels/{label}/restore").status_code == 200
    assert len(story.post("undo").json["annotations"]) == 1


@pytest.mark.parametrize("what", ["undo", "revisions/1/restore"])
def test_what_was_drawn_on_a_larger_image_does_not_come_back_outside_of_a_smaller_one(
    story: Story, sessions: Sessions, what: str
) -> None:
    story.add()
    story.put()
    before = story.document()

    def resize(side: int) -> None:
        with unit_of_work(sessions) as session:
            session.execute(update(Sample).values(width=side, height=side))

    resize(50)
    answer = story.post(what)
    assert (answer.status_code, answer.json["code"]) == (409, "frame_changed")
    assert "50 x 50" in answer.json["detail"]
    assert story.document() == before
    resize(90)
    assert len(story.post(what).json["annotations"]) == 1


# Reading


def test_revisions_are_listed_newest_first_page_by_page(story: Story) -> None:
    for _ in range(5):
        story.add()
    seen, cursor = [], ""
    while True:
        page = story.get(f"revisions?limit=2{cursor}").json
        seen += [revision["number"] for revision in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        story.add()
    assert seen == [5, 4, 3, 2, 1]


def test_the_cursor_of_another_image_is_refused(
    story: Story, client: FlaskClient, sessions: Sessions, dataset: Dataset
) -> None:
    story.add()
    story.add()
    cursor = story.get("revisions?limit=1").json["next_cursor"]
    other = Story(client, make_sample(sessions, dataset))
    assert other.get(f"revisions?cursor={cursor}").json["errors"][0]["code"] == "cursor_invalid"


def test_a_revision_stays_as_it_was(story: Story) -> None:
    made = story.add()
    before = story.document()["annotations"]
    story.put({"id": made, "contour": SMALL, "label": "dog"}, {"contour": TRIANGLE, "label": "cat"})
    story.put()
    assert story.get("revisions/1").json["annotations"] == before


def test_two_revisions_are_compared(story: Story) -> None:
    kept, edited, removed = story.add(), story.add(), story.add()
    story.put(
        {"id": kept}, {"id": edited, "label": "dog", "contour": SMALL}, {"contour": SMALL, "label": "cat"}
    )
    found = story.get("revisions/4/changes").json
    assert (found["since"], found["revision"]) == (3, 4)
    assert [item["id"] for item in found["removed"]] == [removed]
    assert len(found["added"]) == 1
    (changed,) = found["changed"]
    assert (changed["id"], changed["fields"]) == (edited, ["label", "contour"])
    assert (changed["before"]["label"]["name"], changed["after"]["label"]["name"]) == ("cat", "dog")


def test_any_two_revisions_are_compared_in_either_direction(story: Story) -> None:
    made = [story.add() for _ in range(3)]
    forth = story.get("revisions/3/changes?since=1").json
    back = story.get("revisions/1/changes?since=3").json
    assert [item["id"] for item in forth["added"]] == [item["id"] for item in back["removed"]] == made[1:]
    assert [item["id"] for item in story.get("revisions/2/changes?since=0").json["added"]] == made[:2]


# Against a model


class Line(RuleBasedStateMachine):
    """A document in memory: contents, a stack to undo and a stack to redo."""

    make_story: Callable[[], Story]

    def __init__(self) -> None:
        super().__init__()
        self.story = type(self).make_story()
        self.now: list[str] = []
        self.past: list[list[str]] = []
        self.future: list[list[str]] = []
        self.revisions: list[list[str]] = [[]]

    def _saved(self) -> None:
        self.revisions.append(self.now)
        document = self.story.document()
        assert [item["id"] for item in document["annotations"]] == self.now
        assert document["revision"] == len(self.revisions) - 1
        assert (document["undo_to"] is not None) == bool(self.past)
        assert (document["redo_to"] is not None) == bool(self.future)

    def _edited(self, now: list[str]) -> None:
        self.past, self.future, self.now = [*self.past, self.now], [], now
        self._saved()

    @rule()
    def add(self) -> None:
        self._edited([*self.now, self.story.add()])

    @precondition(lambda self: self.now)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(self.now))
        assert self.story.client.delete(f"{self.story.base}/annotations/{gone}").status_code == 204
        self._edited([found for found in self.now if found != gone])

    @precondition(lambda self: self.past)
    @rule()
    def undo(self) -> None:
        assert self.story.post("undo").status_code == 200
        self.future, self.now, self.past = [*self.future, self.now], self.past[-1], self.past[:-1]
        self._saved()

    @precondition(lambda self: self.future)
    @rule()
    def redo(self) -> None:
        assert self.story.post("redo").status_code == 200
        self.past, self.now, self.future = [*self.past, self.now], self.future[-1], self.future[:-1]
        self._saved()

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.revisions) - 1))
        assert self.story.post(f"revisions/{number}/restore").status_code == 200
        self._edited(self.revisions[number])

    @rule(data=st.data())
    def read_any_revision(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.revisions) - 1))
        if number:
            found = self.story.get(f"revisions/{number}").json["annotations"]
            assert [item["id"] for item in found] == self.revisions[number]


def test_undo_redo_and_restore_do_as_a_model_says(
    client: FlaskClient, sessions: Sessions, dataset: Dataset
) -> None:
    class Here(Line):
        make_story = staticmethod(lambda: Story(client, make_sample(sessions, dataset)))

    checks = list(HealthCheck)
    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=checks),
    )
