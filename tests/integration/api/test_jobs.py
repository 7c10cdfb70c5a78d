"""Jobs as their callers see them: listed, read, waited for, followed, cancelled, retried."""

import json
import threading
from contextlib import ExitStack
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from redis import Redis
from tests.factories import make_dataset, make_job, make_sample
from tests.fakes import FakeWorker
from tests.integration.api.conftest import PersonMaker

from fourpoint_api.clients import Clients
from fourpoint_core.errors import DatabaseUnavailableError, NoOutlineError
from fourpoint_core.store.models import Dataset, Job, Sample
from fourpoint_core.store.session import Sessions


@pytest.fixture
def job(sessions: Sessions, sample: Sample) -> Job:
    """A queued click that nobody has sent on its way."""
    return make_job(sessions, sample)


def events(text: str) -> list[dict]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines]


# Reading


def test_a_queued_job_has_no_attempts(client: FlaskClient, job: Job) -> None:
    read = client.get(f"/v1/jobs/{job.id}").json
    assert (read["state"], read["attempts"], read["result"]) == ("queued", [], None)


def test_a_running_job_says_who_runs_it(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    worker.claim(job.id)
    read = client.get(f"/v1/jobs/{job.id}").json
    assert read["state"] == "running"
    assert [(attempt["worker"], attempt["ended_at"]) for attempt in read["attempts"]] == [("fake worker", None)]


def test_a_job_that_succeeded_has_its_result(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    contour_id = worker.draw_square(job.id)
    read = client.get(f"/v1/jobs/{job.id}").json
    assert (read["state"], read["result"]["contour_id"]) == ("succeeded", str(contour_id))
    assert read["attempts"][0]["outcome"] == "succeeded"


def test_a_job_that_failed_says_why(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    worker.fail(job.id, NoOutlineError("Nothing there."))
    read = client.get(f"/v1/jobs/{job.id}").json
    assert (read["error"]["code"], read["error"]["detail"]) == ("no_outline", "Nothing there.")
    assert read["attempts"][0]["reason"] == "Nothing there."


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")]
)
def test_an_unknown_job_is_not_found(client: FlaskClient, unknown_id: UUID, method: str, path: str) -> None:
    answer = client.open(f"/v1/jobs/{unknown_id}{path}", method=method)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


# Lists


def test_jobs_are_listed_page_by_page(client: FlaskClient, sessions: Sessions, sample: Sample) -> None:
    made = [str(make_job(sessions, sample).id) for _ in range(3)]
    first = client.get("/v1/jobs?limit=2").json
    second = client.get(f"/v1/jobs?limit=2&cursor={first['next_cursor']}").json
    assert [item["id"] for item in (*first["items"], *second["items"])] == made


def test_jobs_are_found_by_state(
    client: FlaskClient, sessions: Sessions, sample: Sample, worker: FakeWorker
) -> None:
    done, open_ = make_job(sessions, sample), make_job(sessions, sample)
    worker.draw_square(done.id)
    for state, expected in (("succeeded", done), ("queued", open_)):
        assert [item["id"] for item in client.get(f"/v1/jobs?state={state}").json["items"]] == [
            str(expected.id)
        ]


def test_jobs_are_found_by_dataset(client: FlaskClient, sessions: Sessions, job: Job, dataset: Dataset) -> None:
    make_job(sessions, make_sample(sessions, make_dataset(sessions)))
    found = client.get(f"/v1/jobs?dataset_id={dataset.id}").json["items"]
    assert [item["id"] for item in found] == [str(job.id)]


@pytest.mark.parametrize("query", ["state=done", "dataset_id=x", "count=exact", "limit=0"])
def test_a_bad_query_is_pointed_at(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.json["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"


# Waiting


def test_who_waits_for_a_job_is_answered_when_it_ends(
    client: FlaskClient, job: Job, worker: FakeWorker
) -> None:
    with worker.working():
        answer = client.get(f"/v1/jobs/{job.id}", headers={"Prefer": "wait=20"})
    assert answer.json["state"] == "succeeded"
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_who_waits_for_what_has_ended_does_not_wait(
    client: FlaskClient, job: Job, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.draw_square(job.id)
    monkeypatch.setattr(
        "fourpoint_api.resources.jobs.holding.wait_until_final", lambda *_: pytest.fail("waits")
    )
    assert client.get(f"/v1/jobs/{job.id}", headers={"Prefer": "wait=20"}).json["state"] == "succeeded"


def test_many_may_wait_for_one_job(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    states: list[str] = []

    def wait() -> None:
        answer = client.get(f"/v1/jobs/{job.id}", headers={"Prefer": "wait=20"})
        states.append(answer.json["state"])

    waiters = [threading.Thread(target=wait) for _ in range(8)]
    for waiter in waiters:
        waiter.start()
    worker.draw_square(job.id)
    for waiter in waiters:
        waiter.join()
    assert states == ["succeeded"] * 8


def test_who_starts_a_job_may_wait_for_its_end(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    worker.fail(job.id, NoOutlineError("Nothing there."))
    with worker.working():
        answer = client.post(f"/v1/jobs/{job.id}/retry", headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json["state"]) == (202, "succeeded")
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_whose_wait_is_over_has_the_job_as_it_is(client: FlaskClient, dataset: Dataset, sample: Sample) -> None:
    body = {"name": "V001"}
    answer = client.post(f"/v1/datasets/{dataset.id}/versions", json=body, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "wait=1"


def test_who_finds_all_seats_taken_is_told_of_the_job_at_once(
    crowded_client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    body = {"name": "V001"}
    path = f"/v1/datasets/{dataset.id}/versions"
    answer = crowded_client.post(path, json=body, headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json["state"]) == (202, "queued")
    assert "Preference-Applied" not in answer.headers


def test_a_job_that_was_started_is_named_though_the_database_goes_away_while_it_is_waited_for(
    client: FlaskClient, dataset: Dataset, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr("fourpoint_api.resources.jobs.holding.wait_until_final", gone)
    path = f"/v1/datasets/{dataset.id}/versions"
    answer = client.post(path, json={"name": "V001"}, headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json["state"]) == (202, "queued")


def test_a_preference_that_is_none_starts_nothing(
    client: FlaskClient, dataset: Dataset, sample: Sample
) -> None:
    body = {"name": "V001"}
    path = f"/v1/datasets/{dataset.id}/versions"
    answer = client.post(path, json=body, headers={"Prefer": "wait=soon"})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "prefer_invalid")
    assert client.get("/v1/jobs").json["items"] == []


@pytest.mark.parametrize("path", ["", "/events"])
def test_who_finds_all_seats_taken_is_told_to_come_again(
    crowded_client: FlaskClient, job: Job, path: str
) -> None:
    answer = crowded_client.get(f"/v1/jobs/{job.id}{path}", headers={"Prefer": "wait=5"})
    assert (answer.status_code, answer.json["code"]) == (503, "too_busy")
    assert int(answer.headers["Retry-After"]) > 0


def test_the_streams_of_one_caller_leave_seats_to_others_and_to_his_own_clicks(
    api_clients: Clients, client: FlaskClient, person: PersonMaker, dataset: Dataset, job: Job
) -> None:
    other, path = person(dataset), f"/v1/jobs/{job.id}"
    with ExitStack() as streams:
        for _ in range(api_clients.settings.max_waiters):
            answer = client.get(f"{path}/events", buffered=False)
            streams.callback(answer.close)
        assert (answer.status_code, answer.json["code"]) == (503, "too_busy")
        assert "of yours" in answer.json["detail"]
        for one in (client, other):
            assert one.get(path, headers={"Prefer": "wait=1"}).headers["Preference-Applied"] == "wait=1"
        followed = other.get(f"{path}/events", buffered=False)
        assert followed.close() is None
        assert followed.status_code == 200


def test_a_seat_is_given_back(api_clients: object, client: FlaskClient, job: Job) -> None:
    for _ in range(api_clients.settings.max_waiters + 1):
        assert client.get(f"/v1/jobs/{job.id}/events", buffered=False).close() is None


# Following


def test_the_life_of_a_job_is_streamed_to_its_end(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    with worker.working():
        answer = client.get(f"/v1/jobs/{job.id}/events")
        followed = events(answer.text)
    assert answer.mimetype == "text/event-stream"
    assert (followed[0]["id"], followed[-1]["state"]) == (str(job.id), "succeeded")


def test_a_job_that_has_ended_is_one_event(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    worker.draw_square(job.id)
    followed = events(client.get(f"/v1/jobs/{job.id}/events").text)
    assert [event["state"] for event in followed] == ["succeeded"]


def test_a_process_that_leaves_ends_its_streams(
    client: FlaskClient, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fourpoint_api.web.leaving.time_is_up", lambda: True)
    assert [event["state"] for event in events(client.get(f"/v1/jobs/{job.id}/events").text)] == ["queued"]


def test_the_last_event_is_what_reading_the_job_says(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    worker.draw_square(job.id)
    (event,) = events(client.get(f"/v1/jobs/{job.id}/events").text)
    assert event == client.get(f"/v1/jobs/{job.id}").json


# Cancelling and trying again


def test_a_waiting_job_is_cancelled_at_once(client: FlaskClient, job: Job) -> None:
    assert client.post(f"/v1/jobs/{job.id}/cancel").json["state"] == "cancelled"


def test_a_running_job_is_asked_to_end(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    worker.claim(job.id)
    answer = client.post(f"/v1/jobs/{job.id}/cancel")
    assert (answer.json["state"], answer.json["cancel_requested"]) == ("running", True)


def test_what_has_ended_cannot_be_cancelled(client: FlaskClient, job: Job, worker: FakeWorker) -> None:
    worker.draw_square(job.id)
    answer = client.post(f"/v1/jobs/{job.id}/cancel")
    assert (answer.status_code, answer.json["code"]) == (409, "job_state")


def test_a_failed_job_is_queued_again(client: FlaskClient, job: Job, worker: FakeWorker, redis: Redis) -> None:
    worker.fail(job.id, NoOutlineError("Nothing there."))
    answer = client.post(f"/v1/jobs/{job.id}/retry")
    assert (answer.status_code, answer.json["state"], answer.json["error"]) == (202, "queued", None)
    assert answer.headers["Location"] == f"/v1/jobs/{job.id}"
    assert redis.llen("click") == 1


def test_a_cancelled_job_may_be_tried_again_and_succeed(
    client: FlaskClient, job: Job, worker: FakeWorker
) -> None:
    client.post(f"/v1/jobs/{job.id}/cancel")
    client.post(f"/v1/jobs/{job.id}/retry")
    worker.draw_square(job.id)
    assert client.get(f"/v1/jobs/{job.id}").json["state"] == "succeeded"


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_what_has_not_failed_is_not_tried_again(
    client: FlaskClient, job: Job, worker: FakeWorker, state: str
) -> None:
    {"queued": lambda _: None, "running": worker.claim, "succeeded": worker.draw_square}[state](job.id)
    answer = client.post(f"/v1/jobs/{job.id}/retry")
    assert (answer.status_code, answer.json["code"]) == (409, "job_state")


def test_a_job_is_cancelled_while_redis_is_away(client_without_redis: FlaskClient, job: Job) -> None:
    assert client_without_redis.post(f"/v1/jobs/{job.id}/cancel").json["state"] == "cancelled"


def test_a_job_is_tried_again_while_redis_is_away(client_without_redis: FlaskClient, job: Job) -> None:
    client_without_redis.post(f"/v1/jobs/{job.id}/cancel")
    assert client_without_redis.post(f"/v1/jobs/{job.id}/retry").json["state"] == "queued"
