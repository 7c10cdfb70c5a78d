"""One object changed on the server: words, drags, stretches, vertices, resets, and inferring it again."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.factories import SQUARE_JSON, make_contour
from tests.fakes import FakeWorker
from tests.integration.api.inventory import Inventory
from werkzeug.test import TestResponse

from fourpoint_core.store.models import Dataset, InferredContour, Job, Sample
from fourpoint_core.store.session import Sessions, unit_of_work

Change = Callable[..., TestResponse]
SQUARE = [[20, 10], [80, 10], [80, 70], [20, 70]]


@pytest.fixture
def recorded(sessions: Sessions, sample: Sample) -> InferredContour:
    """What the engine drew: a square from (20, 10) to (80, 70)."""
    return make_contour(sessions, sample)


@pytest.fixture
def base(sample: Sample) -> str:
    """Where the sample's annotations are."""
    return f"/v1/samples/{sample.id}/annotations"


@pytest.fixture
def made(client: FlaskClient, base: str, recorded: InferredContour) -> dict[str, Any]:
    """An annotation of the square."""
    return client.post(base, json={"contour_id": str(recorded.id), "label": "cat"}).json


@pytest.fixture
def change(client: FlaskClient, base: str, made: dict[str, Any]) -> Change:
    """Change the annotation as it is."""

    def patch(headers: dict[str, str] | None = None, **body: Any) -> TestResponse:
        condition = {"If-Match": client.get(base).headers["ETag"]} if headers is None else headers
        return client.patch(f"{base}/{made['id']}", json=body, headers=condition)

    return patch


def outer(answer: TestResponse) -> list[list[float]]:
    return answer.json["contour"]["parts"][0]["outer"]


def refusal(answer: TestResponse) -> tuple[str, str]:
    assert answer.status_code == 422, answer.json
    return answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]


def test_one_object_is_read_alone(client: FlaskClient, base: str, made: dict[str, Any]) -> None:
    assert client.get(f"{base}/{made['id']}").json == made


def test_words_change_and_the_rest_stays(change: Change, made: dict[str, Any]) -> None:
    changed = change(label="kitten", occluded=True, attributes={"a": 1}).json
    assert (changed["label"]["name"], changed["occluded"], changed["attributes"]) == ("kitten", True, {"a": 1})
    assert (changed["contour"], changed["prompt"]) == (made["contour"], made["prompt"])


def test_words_need_no_condition(change: Change) -> None:
    assert change({}, visible=False).json["visible"] is False


@pytest.mark.parametrize(
    "blind",
    [
        {"contour": SQUARE_JSON},
        {"vertices": [{"action": "remove", "index": 0}]},
        {"move": {"dx": 1, "dy": 1}},
        {"reset": "before_edit"},
    ],
)
def test_an_outline_is_not_replaced_blindly(change: Change, blind: dict[str, Any]) -> None:
    assert change({}, **blind).status_code == 428


def test_what_names_its_outcome_needs_no_condition(change: Change) -> None:
    boxes = [change({}, resize={"box": [0, 0, 50, 40]}).json["bbox"] for _ in range(2)]
    assert boxes == [[0, 0, 50, 40]] * 2
    assert outer(change({}, reset="inferred")) == SQUARE


def test_a_drag_that_is_sent_twice_drags_once(client: FlaskClient, base: str, change: Change) -> None:
    condition = {"If-Match": client.get(base).headers["ETag"]}
    statuses = [change(condition, move={"dx": 1, "dy": 0}).status_code for _ in range(2)]
    assert statuses == [200, 412]
    assert client.get(base).json["annotations"][0]["bbox"] == [21, 10, 81, 70]


@pytest.mark.parametrize("condition", ['""', "nonsense", '"dataset-1"'])
def test_a_condition_that_names_no_revision_never_holds(change: Change, condition: str) -> None:
    assert change({"If-Match": condition}, move={"dx": 1, "dy": 1}).status_code == 412


def test_a_stale_change_hears_what_has_changed(
    client: FlaskClient, base: str, change: Change, made: dict[str, Any]
) -> None:
    condition = {"If-Match": client.get(base).headers["ETag"]}
    change(difficult=True)
    answer = change(condition, move={"dx": 1, "dy": 1})
    assert (answer.status_code, answer.json["changes"]["changed"]) == (412, [made["id"]])


def test_what_says_nothing_new_makes_no_revision(change: Change, inventory: Inventory) -> None:
    change(z_order=3)
    before = inventory()
    assert change(z_order=3, label="cat").status_code == 200
    assert inventory() == before


def test_a_drag_moves_every_vertex(change: Change) -> None:
    moved = change(move={"dx": -20, "dy": 2.5})
    assert outer(moved) == [[0, 12.5], [60, 12.5], [60, 72.5], [0, 72.5]]
    assert moved.json["bbox"] == [0, 12.5, 60, 72.5]


def test_a_drag_out_of_the_image_says_how_far_it_may_go(change: Change) -> None:
    answer = change(move={"dx": 20.5, "dy": 0})
    assert refusal(answer) == ("/move", "outside_image")
    assert "dx in [-20, 20]" in answer.json["detail"]


def test_a_stretch_fills_the_box(change: Change) -> None:
    assert outer(change(resize={"box": [0, 0, 100, 80]})) == [[0, 0], [100, 0], [100, 80], [0, 80]]


@pytest.mark.parametrize(
    ("box", "code"), [([10, 10, 10, 20], "box_empty"), ([0, 0, 101, 80], "outside_image"), ([5], "invalid")]
)
def test_a_bad_box_is_refused(change: Change, box: list[float], code: str) -> None:
    assert refusal(change(resize={"box": box})) == ("/resize/box", code)


def test_vertices_are_inserted_moved_and_removed(change: Change) -> None:
    edits = [
        {"action": "insert", "index": 1, "to": [50, 5]},
        {"action": "move", "index": 0, "to": [15, 10]},
        {"action": "remove", "index": 3},
    ]
    assert outer(change(vertices=edits)) == [[15, 10], [50, 5], [80, 10], [20, 70]]


def test_an_edit_of_no_vertex_is_pointed_at(change: Change) -> None:
    good = {"action": "move", "index": 0, "to": [21, 11]}
    for bad, pointer in (({"index": 4}, "index"), ({"ring": 1}, "ring"), ({"part": 1}, "part")):
        edit = {"action": "move", "index": 0, "to": [1, 1], **bad}
        assert refusal(change(vertices=[good, edit])) == (f"/vertices/1/{pointer}", "no_such_vertex")


def test_edits_that_spoil_the_outline_say_where(change: Change) -> None:
    good = {"action": "move", "index": 2, "to": [79, 69]}
    answer = change(vertices=[good, {"action": "move", "index": 0, "to": [90, 40]}, good])
    assert refusal(answer) == ("/vertices/1", "ring_crosses_itself")
    assert "/parts/0/outer/" in answer.json["detail"]


@pytest.mark.parametrize(
    "edit",
    [
        {"action": "remove", "index": 0, "to": [1, 1]},
        {"action": "move", "index": 0},
        {"action": "turn", "index": 0},
        {"action": "move", "index": -1, "to": [1, 1]},
        {"action": "move", "index": 10**400, "to": [1, 1]},
        {"action": "move", "index": True, "to": [1, 1]},
    ],
)
def test_an_edit_that_is_none_is_refused(change: Change, edit: dict[str, Any]) -> None:
    assert refusal(change(vertices=[edit]))[0].startswith("/vertices/0")


@pytest.mark.parametrize("move", [{"dx": 1}, {"dx": "far", "dy": 0}, {"dx": 10**400, "dy": 0}])
def test_a_drag_that_is_none_is_refused(change: Change, move: dict[str, Any]) -> None:
    assert refusal(change(move=move))[0].startswith("/move")


def test_an_outline_changes_in_one_way_at_a_time(change: Change) -> None:
    assert refusal(change(move={"dx": 1, "dy": 1}, reset="inferred")) == ("/reset", "invalid")


def test_a_change_of_nothing_is_refused(change: Change) -> None:
    assert change().status_code == 422


def test_reset_brings_back_the_outline_before_the_edit(change: Change) -> None:
    change(move={"dx": 5, "dy": 0})
    change(label="kitten")
    reset = change(reset="before_edit")
    assert (outer(reset), reset.json["label"]["name"]) == (SQUARE, "kitten")


def test_a_second_reset_changes_nothing(change: Change, inventory: Inventory) -> None:
    change(move={"dx": 3, "dy": 0})
    change(move={"dx": 5, "dy": 0})
    change(reset="before_edit")
    before = inventory()
    assert change(reset="before_edit").json["bbox"] == [23, 10, 83, 70]
    assert inventory() == before


def test_an_edit_after_a_reset_can_be_reset(change: Change) -> None:
    change(move={"dx": 5, "dy": 0})
    change(reset="before_edit")
    change(move={"dx": 7, "dy": 0})
    assert outer(change(reset="before_edit")) == SQUARE


def test_reset_brings_back_what_was_inferred(change: Change) -> None:
    change(move={"dx": 5, "dy": 0})
    change(vertices=[{"action": "remove", "index": 0}])
    assert outer(change(reset="inferred")) == SQUARE


def test_there_is_nothing_to_reset_before_an_edit(change: Change) -> None:
    assert refusal(change(reset="before_edit")) == ("/reset", "nothing_to_reset")


def test_what_was_drawn_by_hand_was_never_inferred(client: FlaskClient, base: str) -> None:
    drawn = client.post(base, json={"contour": SQUARE_JSON, "label": "cat"}).json
    answer = client.patch(f"{base}/{drawn['id']}", json={"reset": "inferred"})
    assert refusal(answer) == ("/reset", "nothing_to_reset")


def test_another_contour_brings_its_record(change: Change, sessions: Sessions, sample: Sample) -> None:
    change(move={"dx": 5, "dy": 0})
    other = make_contour(sessions, sample)
    changed = change(contour_id=str(other.id))
    assert (outer(changed), changed.json["contour_id"]) == (SQUARE, str(other.id))


def test_the_object_of_no_image_is_not_found(client: FlaskClient, base: str, made: dict[str, Any]) -> None:
    nowhere = f"{base}/01930000-0000-7000-8000-00000000dead"
    assert client.patch(nowhere, json={"visible": True}).status_code == 404
    assert client.get(nowhere).status_code == 404


# Inferring again


def redraw(client: FlaskClient, sample: Sample, **body: Any) -> TestResponse:
    return client.post(f"/v1/samples/{sample.id}/contours", json=body, headers={"Prefer": "wait=10"})


def test_an_annotation_is_inferred_again_from_its_clicks(
    client: FlaskClient, sample: Sample, made: dict[str, Any], worker: FakeWorker
) -> None:
    with worker.working():
        answer = redraw(client, sample, annotation_id=made["id"], include=[[30, 30]])
    assert answer.status_code == 200
    assert answer.json["prompt"] == {**made["prompt"], "include": [[30, 30]]}


def test_what_is_inferred_again_and_saved_takes_the_place_of_the_old_outline(
    client: FlaskClient, sample: Sample, made: dict[str, Any], sessions: Sessions
) -> None:
    queued = redraw(client, sample, annotation_id=made["id"], save="document")
    with unit_of_work(sessions) as session:
        payload = session.get_one(Job, queued.json["id"]).payload
    assert (payload["redraws"], payload["annotation_id"]) == (True, made["id"])
    assert payload["label_id"] == made["label"]["id"]


def test_what_was_drawn_by_hand_has_no_clicks(client: FlaskClient, base: str, sample: Sample) -> None:
    drawn = client.post(base, json={"contour": SQUARE_JSON, "label": "cat"}).json
    answer = redraw(client, sample, annotation_id=drawn["id"])
    assert refusal(answer) == ("/annotation_id", "no_clicks")


def test_an_unknown_annotation_is_not_inferred_again(client: FlaskClient, sample: Sample) -> None:
    answer = redraw(client, sample, annotation_id="01930000-0000-7000-8000-00000000dead")
    assert refusal(answer) == ("/annotation_id", "annotation_unknown")


def test_an_annotation_that_is_inferred_again_keeps_its_label(
    client: FlaskClient, sample: Sample, dataset: Dataset, made: dict[str, Any]
) -> None:
    assert refusal(redraw(client, sample, annotation_id=made["id"], label="dog")) == ("/label", "invalid")
