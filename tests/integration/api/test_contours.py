"""Asking for an outline: what is refused, what is queued, and what the waiting request gets."""

import base64
import json
import threading
from datetime import datetime
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import delete
from tests.factories import HEIGHT, POINTS, SQUARE, SQUARE_JSON, WIDTH
from tests.fakes import FakeWorker
from tests.integration.api.inventory import Inventory
from tests.integration.statements import statements
from werkzeug.test import TestResponse

from fourpoint_core.errors import NoOutlineError
from fourpoint_core.jobs.contracts import InferContour, SaveMode
from fourpoint_core.store.models import Dataset, Job, Sample
from fourpoint_core.store.queries import datasets, labels
from fourpoint_core.store.session import Sessions, unit_of_work


def infer(client: FlaskClient, sample: Sample, wait: str = "", **body: object) -> TestResponse:
    headers = {"Prefer": wait} if wait else {}
    return client.post(f"/v1/samples/{sample.id}/contours", json=body, headers=headers)


def payload_of(answer: TestResponse, sessions: Sessions) -> InferContour:
    assert answer.status_code == 202, answer.json
    with unit_of_work(sessions) as session:
        return InferContour.from_json(session.get_one(Job, UUID(answer.json["id"])).payload)


# What is queued


def test_a_click_becomes_a_queued_job(client: FlaskClient, sample: Sample) -> None:
    answer = infer(client, sample, points=POINTS)
    assert answer.status_code == 202
    assert (answer.json["state"], answer.json["kind"], answer.json["queue"]) == (
        "queued",
        "infer_contour",
        "click",
    )
    assert client.get(answer.headers["Location"]).json == answer.json


def test_the_message_carries_the_id_of_the_job_and_nothing_else(
    client: FlaskClient, sample: Sample, redis: Redis
) -> None:
    job_id = infer(client, sample, points=POINTS).json["id"]
    (message,) = redis.lrange("click", 0, -1)
    document = json.loads(message)
    arguments, keywords, _ = json.loads(base64.b64decode(document["body"]))
    assert document["headers"]["task"] == "fourpoint.infer_contour"
    assert (arguments, keywords) == ([job_id], {})


def test_the_request_id_travels_with_the_job(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    answer = client.post(
        f"/v1/samples/{sample.id}/contours", json={"points": POINTS}, headers={"X-Request-ID": "click-7"}
    )
    with unit_of_work(sessions) as session:
        assert session.get_one(Job, UUID(answer.json["id"])).request_id == "click-7"


def test_points_in_any_order_get_their_roles(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    shuffled = [POINTS["right"], POINTS["bottom"], POINTS["left"], POINTS["top"]]
    named = payload_of(infer(client, sample, points=POINTS), sessions)
    listed = payload_of(infer(client, sample, points=shuffled), sessions)
    assert listed.prompt == named.prompt


def test_an_earlier_outline_is_part_of_a_prompt(
    client: FlaskClient, sample: Sample, sessions: Sessions
) -> None:
    prompt = payload_of(infer(client, sample, points=POINTS, contour=SQUARE_JSON), sessions).prompt
    assert prompt.contour == SQUARE
    assert prompt.points is not None


def test_an_earlier_outline_alone_asks_for_the_box_around_it(
    client: FlaskClient, sample: Sample, sessions: Sessions
) -> None:
    prompt = payload_of(infer(client, sample, contour=SQUARE_JSON, exclude=[[30, 30]]), sessions).prompt
    assert (prompt.box_prompt, prompt.contour) == (SQUARE.bounding_box, SQUARE)


def test_an_earlier_outline_outside_of_the_image_is_refused(client: FlaskClient, sample: Sample) -> None:
    outside = {"parts": [{"outer": [[1, 1], [WIDTH + 5, 1], [1, 5]], "holes": []}]}
    answer = infer(client, sample, points=POINTS, contour=outside)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"].startswith("/contour/parts/0/outer")


def test_a_box_with_corrections_is_a_prompt(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    answer = infer(client, sample, box=[10, 10, 50.5, 60], include=[[20, 20]], exclude=[[40, 40]])
    prompt = payload_of(answer, sessions).prompt
    assert (prompt.box.as_list(), prompt.include, prompt.exclude) == (
        [10, 10, 50.5, 60],
        ((20, 20),),
        ((40, 40),),
    )


def test_nothing_is_saved_unless_asked(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    assert payload_of(infer(client, sample, points=POINTS), sessions).save is SaveMode.NONE


@pytest.mark.parametrize("mode", ["draft", "document"])
def test_the_wish_to_save_goes_to_the_worker(
    client: FlaskClient, sample: Sample, sessions: Sessions, unknown_id: UUID, mode: str
) -> None:
    answer = infer(client, sample, points=POINTS, save=mode, label=" cat ", annotation_id=str(unknown_id))
    payload = payload_of(answer, sessions)
    assert (payload.save.value, payload.label_name, payload.annotation_id) == (mode, "cat", unknown_id)


def test_the_border_of_the_image_is_on_the_image(client: FlaskClient, sample: Sample) -> None:
    points = {"top": [50, 0], "bottom": [50, HEIGHT], "left": [0, 40], "right": [WIDTH, 40]}
    assert infer(client, sample, points=points).status_code == 202


# What is refused

HUGE = int("9" * 400)
BAD_PROMPTS: dict[str, tuple[dict[str, object], str, str]] = {
    "outside": ({"points": {**POINTS, "right": [WIDTH + 0.1, 40]}}, "/points/right", "outside_image"),
    "negative": ({"points": {**POINTS, "top": [50, -1]}}, "/points/top", "outside_image"),
    "far outside": ({"points": {**POINTS, "top": [1e308, 10]}}, "/points/top", "outside_image"),
    "larger than any float": ({"points": {**POINTS, "top": [HUGE, 10]}}, "/points/top", "invalid"),
    "outside, listed": ({"points": [[-1, 0], [1, 1], [5, 9], [9, 2]]}, "/points", "outside_image"),
    "repeated": ({"points": {**POINTS, "left": POINTS["top"]}}, "/points/left", "points_repeated"),
    "repeated, listed": ({"points": [[5, 5]] * 4}, "/points", "points_repeated"),
    "collinear": ({"points": [[10, 10], [20, 20], [30, 30], [40, 40]]}, "/points", "points_collinear"),
    "flat": ({"points": [[10, 10], [20, 10], [30, 10], [40, 10]]}, "/points", "points_collinear"),
    "contradictory": (
        {"points": {**POINTS, "top": POINTS["bottom"], "bottom": POINTS["top"]}},
        "/points/top",
        "points_contradictory",
    ),
    "three points": ({"points": [[1, 1], [2, 2], [3, 1]]}, "/points", "invalid"),
    "five points": ({"points": [[1, 1]] * 5}, "/points", "invalid"),
    "a role is missing": (
        {"points": {r: p for r, p in POINTS.items() if r != "top"}},
        "/points/top",
        "required",
    ),
    "a fifth role": ({"points": {**POINTS, "middle": [5, 5]}}, "/points/middle", "unknown_field"),
    "a point with three numbers": ({"points": {**POINTS, "top": [1, 2, 3]}}, "/points/top", "invalid"),
    "a number as text": ({"points": {**POINTS, "top": ["50", 10]}}, "/points/top", "invalid"),
    "true as a number": ({"points": {**POINTS, "top": [True, 10]}}, "/points/top", "invalid"),
    "null as a number": ({"points": {**POINTS, "top": [None, 10]}}, "/points/top", "invalid"),
    "a point as an object": ({"points": {**POINTS, "top": {"x": 1, "y": 2}}}, "/points/top", "invalid"),
    "points as text": ({"points": "50,10"}, "/points", "invalid"),
    "points as a number": ({"points": 4}, "/points", "invalid"),
    "nothing": ({}, "/points", "invalid"),
    "both": ({"points": POINTS, "box": [1, 1, 9, 9]}, "/points", "invalid"),
    "an empty box": ({"box": [10, 10, 10, 50]}, "/box", "box_empty"),
    "a box inside out": ({"box": [50, 50, 10, 10]}, "/box", "box_empty"),
    "a box outside": ({"box": [10, 10, 500, 50]}, "/box", "outside_image"),
    "three sides": ({"box": [10, 10, 50]}, "/box", "invalid"),
    "a huge box": ({"box": [0, 0, HUGE, 50]}, "/box", "invalid"),
    "text in a box": ({"box": ["0", 0, 50, 50]}, "/box", "invalid"),
    "true in a box": ({"box": [True, 0, 50, 50]}, "/box", "invalid"),
    "a box as an object": ({"box": {"x": 1}}, "/box", "invalid"),
    "a correction outside": (
        {"points": POINTS, "include": [[5, 5], [5, 81]]},
        "/include/1",
        "outside_image",
    ),
    "a correction that is none": ({"points": POINTS, "exclude": [[5]]}, "/exclude/0", "invalid"),
    "too many corrections": ({"points": POINTS, "include": [[5, 5]] * 65}, "/include", "invalid"),
    "an unknown mode": ({"points": POINTS, "save": "yes"}, "/save", "invalid"),
    "saved without a label": ({"points": POINTS, "save": "draft"}, "/label", "invalid"),
    "two labels": (
        {"points": POINTS, "label": "cat", "label_id": "01930000-0000-7000-8000-00000000dead"},
        "/label",
        "invalid",
    ),
    "an unknown label": (
        {"points": POINTS, "save": "draft", "label_id": "01930000-0000-7000-8000-00000000dead"},
        "/label_id",
        "label_unknown",
    ),
    "a label id that is none": ({"points": POINTS, "label_id": "cat"}, "/label_id", "invalid"),
    "an empty label": ({"points": POINTS, "save": "draft", "label": " "}, "/label", "length"),
    "a long label": ({"points": POINTS, "save": "draft", "label": "x" * 257}, "/label", "length"),
    "a label with a bell": (
        {"points": POINTS, "save": "draft", "label": "a\a"},
        "/label",
        "control_character",
    ),
    "an annotation id that is none": ({"points": POINTS, "annotation_id": 5}, "/annotation_id", "invalid"),
    "an unknown field": ({"points": POINTS, "engine": "best"}, "/engine", "unknown_field"),
}


@pytest.mark.parametrize("what", BAD_PROMPTS)
def test_a_bad_prompt_is_pointed_at_and_nothing_is_queued(
    client: FlaskClient, sample: Sample, inventory: Inventory, redis: Redis, what: str
) -> None:
    body, pointer, code = BAD_PROMPTS[what]
    before = inventory()
    answer = infer(client, sample, **body)
    assert answer.status_code == 422
    first = answer.json["errors"][0]
    assert (first["pointer"], first["code"]) == (pointer, code)
    assert inventory() == before
    assert not redis.exists("click")


def test_every_bad_point_is_named(client: FlaskClient, sample: Sample) -> None:
    points = {**POINTS, "top": [50, -1], "right": [101, 40]}
    errors = infer(client, sample, points=points).json["errors"]
    assert [error["pointer"] for error in errors] == ["/points/top", "/points/right"]


def test_an_unknown_sample_is_not_found(client: FlaskClient, unknown_id: UUID, inventory: Inventory) -> None:
    before = inventory()
    answer = client.post(f"/v1/samples/{unknown_id}/contours", json={"points": POINTS})
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert inventory() == before


@pytest.mark.parametrize("wish", ["wait=soon", "wait=-1", "wait=1.5", 'wait="a"', "wait=\u00b2", "wait="])
def test_a_wish_to_wait_that_is_no_number_is_refused(
    client: FlaskClient, sample: Sample, inventory: Inventory, wish: str
) -> None:
    before = inventory()
    answer = infer(client, sample, wish, points=POINTS)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "prefer_invalid")
    assert inventory() == before


@pytest.mark.parametrize("wish", ["respond-async", "handling=strict", "", "waiting=5"])
def test_other_wishes_are_ignored(client: FlaskClient, sample: Sample, wish: str) -> None:
    assert infer(client, sample, wish, points=POINTS).status_code == 202


# What the waiting request gets


def test_who_waits_gets_the_outline(client: FlaskClient, sample: Sample, worker: FakeWorker) -> None:
    with worker.working():
        answer = infer(client, sample, "wait=20", points=POINTS)
    assert answer.status_code == 200
    assert (answer.json["sample_id"], answer.json["vertices"]) == (str(sample.id), 4)
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_wishes_may_stand_together(client: FlaskClient, sample: Sample, worker: FakeWorker) -> None:
    with worker.working():
        assert infer(client, sample, "respond-async, wait=20", points=POINTS).status_code == 200


def test_each_who_waits_gets_the_answer_to_its_own_click(
    client: FlaskClient, sample: Sample, worker: FakeWorker
) -> None:
    boxes = [[n, n, n + 40, n + 40] for n in range(8)]
    answers: dict[int, TestResponse] = {}

    def click(number: int) -> None:
        answers[number] = infer(client, sample, "wait=20", box=boxes[number])

    clicks = [threading.Thread(target=click, args=[number]) for number in range(8)]
    with worker.working():
        for thread in clicks:
            thread.start()
        for thread in clicks:
            thread.join()
    assert [answers[number].json["prompt"]["box"] for number in range(8)] == boxes


def test_who_waits_in_vain_gets_the_job(client: FlaskClient, sample: Sample) -> None:
    answer = infer(client, sample, "wait=1", points=POINTS)
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=1"


def test_who_waits_for_what_fails_gets_the_reason(
    client: FlaskClient, sample: Sample, worker: FakeWorker
) -> None:
    reason = NoOutlineError("Nothing stands out between the clicks; click again.")
    with worker.working(lambda job_id: worker.fail(job_id, reason)):
        answer = infer(client, sample, "wait=20", points=POINTS)
    assert (answer.status_code, answer.json["code"], answer.json["detail"]) == (
        422,
        "no_outline",
        reason.detail,
    )
    assert client.get(f"/v1/jobs/{answer.json['job_id']}").json["state"] == "failed"


def test_who_waits_for_what_is_cancelled_hears_of_it(
    client: FlaskClient, sample: Sample, worker: FakeWorker
) -> None:
    with worker.working(lambda job_id: client.post(f"/v1/jobs/{job_id}/cancel")):
        answer = infer(client, sample, "wait=20", points=POINTS)
    assert (answer.status_code, answer.json["code"]) == (409, "cancelled")


def test_who_waits_for_a_job_that_a_crash_of_the_database_forgot_is_told_to_click_again(
    client: FlaskClient, sample: Sample, worker: FakeWorker, sessions: Sessions
) -> None:
    with worker.working(lambda job_id: _forget(sessions, job_id)):
        answer = infer(client, sample, "wait=20", points=POINTS)
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize(("wait", "durable"), [("wait=1", False), ("", True)])
def test_a_job_whose_id_is_the_answer_is_on_the_disk_before(
    client: FlaskClient, sample: Sample, wait: str, durable: bool
) -> None:
    with statements() as said:
        infer(client, sample, wait, points=POINTS)
    assert ("SET LOCAL synchronous_commit = off" not in said) is durable


def _forget(sessions: Sessions, job_id: UUID) -> None:
    with unit_of_work(sessions) as session:
        session.execute(delete(Job).where(Job.id == job_id))


def test_nobody_waits_longer_than_the_limit(
    client: FlaskClient, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def note(bell: object, seconds: float, read: object, *_: object) -> Job:
        asked.append(seconds)
        return read()

    monkeypatch.setattr("fourpoint_api.resources.contours.routes.wait_until_final", note)
    infer(client, sample, f"wait={'9' * 400}", points=POINTS)
    assert asked == [30.0]


def test_the_label_of_another_dataset_is_unknown(
    client: FlaskClient, sample: Sample, sessions: Sessions, dataset: Dataset
) -> None:
    with unit_of_work(sessions) as session:
        other = datasets.add_dataset(session, "Dogs", "", None, dataset.created_by)
        label, _ = labels.label_named(session, other.id, "cat")
    answer = infer(client, sample, points=POINTS, save="draft", label_id=str(label.id))
    assert answer.json["errors"][0]["code"] == "label_unknown"


# Redis away


def test_a_click_is_accepted_and_kept_while_redis_is_away(
    client_without_redis: FlaskClient, sample: Sample, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # kombu pauses between its attempts to connect; none is to be made, with a person waiting.
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: pytest.fail("it waits for Redis"))
    answer = infer(client_without_redis, sample, points=POINTS)
    assert answer.json["state"] == "queued"
    with unit_of_work(sessions) as session:
        assert session.get_one(Job, UUID(answer.json["id"])).dispatched_at is None


def test_who_waits_is_answered_from_the_row_while_redis_is_away(
    client_without_redis: FlaskClient, sample: Sample, worker: FakeWorker
) -> None:
    with worker.working():
        assert infer(client_without_redis, sample, "wait=20", points=POINTS).status_code == 200


def test_who_finds_all_seats_taken_gets_the_job_at_once(
    crowded_client: FlaskClient, sample: Sample, worker: FakeWorker
) -> None:
    answer = infer(crowded_client, sample, "wait=20", points=POINTS)
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    assert "Preference-Applied" not in answer.headers


def test_a_label_for_a_contour_that_is_not_saved_is_refused(client: FlaskClient, sample: Sample) -> None:
    response = client.post(f"/v1/samples/{sample.id}/contours", json={"points": POINTS, "label": "cat"})
    assert response.status_code == 422
    assert response.json["errors"][0]["pointer"] == "/label"


@pytest.mark.parametrize(
    ("prefer", "body", "seconds"),
    [
        ("wait=1", {}, 31),
        ("wait=1", {"save": "document", "label": "cat"}, 120),
        (None, {}, 120),
    ],
)
def test_an_outline_that_nothing_keeps_is_not_drawn_long_after_the_wait(
    client: FlaskClient, sample: Sample, prefer: str | None, body: dict[str, str], seconds: int
) -> None:
    job = infer(client, sample, prefer, points=POINTS, **body).json
    life = datetime.fromisoformat(job["deadline_at"]) - datetime.fromisoformat(job["created_at"])
    assert round(life.total_seconds()) == seconds
