"""A queue that is full says so instead of growing."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from tests.factories import POINTS, make_job
from tests.fakes import FakeWorker
from tests.integration.api.checked_client import CheckedClient
from tests.integration.applications import AppMaker
from tests.integration.statements import statements
from werkzeug.test import TestResponse

from fourpoint_api.clients import build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_core.store.models import Job, Sample
from fourpoint_core.store.session import Sessions, unit_of_work


@pytest.fixture
def narrow(api_settings: ApiSettings, app_over: AppMaker, admin_token: str) -> Iterator[FlaskClient]:
    """An admin of an API that lets two jobs wait in a queue."""
    clients = build_clients(replace(api_settings, max_queued_jobs=2))
    yield CheckedClient(app_over(clients), admin_token)
    clients.close()


def click(client: FlaskClient, sample: Sample, **headers: str) -> TestResponse:
    return client.post(f"/v1/samples/{sample.id}/contours", json={"points": POINTS}, headers=headers)


def jobs(sessions: Sessions) -> int:
    with unit_of_work(sessions) as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def test_a_full_queue_says_when_to_come_again(narrow: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    assert [click(narrow, sample).status_code for _ in range(2)] == [202, 202]
    refused = click(narrow, sample)
    assert (refused.status_code, refused.json["code"]) == (503, "queue_full")
    assert int(refused.headers["Retry-After"]) > 0
    assert jobs(sessions) == 2


def test_there_is_room_again_once_a_job_is_taken(
    narrow: FlaskClient, sample: Sample, worker: FakeWorker
) -> None:
    first, _ = click(narrow, sample), click(narrow, sample)
    worker.claim(first.json["id"])
    assert click(narrow, sample).status_code == 202


def test_each_queue_has_room_of_its_own(narrow: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    for _ in range(2):
        make_job(sessions, sample)
    assert narrow.put(f"/v1/samples/{sample.id}/embedding").status_code == 202


def test_a_job_that_is_tried_again_needs_room_as_a_new_one_does(
    narrow: FlaskClient, sample: Sample, worker: FakeWorker
) -> None:
    ended = click(narrow, sample).json["id"]
    narrow.post(f"/v1/jobs/{ended}/cancel")
    first, _ = click(narrow, sample), click(narrow, sample)
    refused = narrow.post(f"/v1/jobs/{ended}/retry")
    assert (refused.status_code, refused.json["code"]) == (503, "queue_full")
    assert narrow.get(f"/v1/jobs/{ended}").json["state"] == "cancelled"
    worker.claim(first.json["id"])
    assert narrow.post(f"/v1/jobs/{ended}/retry").status_code == 202


def test_what_needs_a_job_is_not_done_half(narrow: FlaskClient, sessions: Sessions) -> None:
    made = [narrow.post("/v1/datasets", json={"name": f"number {n}"}).json["id"] for n in range(3)]
    assert [narrow.delete(f"/v1/datasets/{one}").status_code for one in made] == [202, 202, 503]
    assert [item["id"] for item in narrow.get("/v1/datasets").json["items"]] == made[2:]


def test_a_request_that_found_no_room_may_come_again_under_its_key(
    narrow: FlaskClient, sample: Sample, worker: FakeWorker
) -> None:
    first, _ = click(narrow, sample), click(narrow, sample)
    key = {"Idempotency-Key": "click-1"}
    assert click(narrow, sample, **key).status_code == 503
    worker.claim(first.json["id"])
    assert click(narrow, sample, **key).status_code == 202


def test_room_is_looked_for_in_the_statement_that_queues(
    narrow: FlaskClient, client: FlaskClient, sample: Sample
) -> None:
    said = []
    for each in (narrow, client):
        # The first one of each looks up who asks.
        click(each, sample)
        with statements() as seen:
            click(each, sample)
        said.append(len(seen))
    assert said[0] == said[1]
