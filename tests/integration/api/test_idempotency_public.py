"""`Idempotency-Key` where no user signs in: the bucket's events, and the notices of Label Studio."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from tests.factories import make_dataset
from tests.integration.api.checked_client import CheckedClient
from tests.integration.api.inventory import Inventory
from tests.integration.applications import AppMaker
from werkzeug.test import TestResponse

from fourpoint_api.clients import Clients
from fourpoint_api.web import idempotency as web
from fourpoint_core.store.models import Dataset, IdempotencyKey
from fourpoint_core.store.queries import syncs
from fourpoint_core.store.session import Sessions, unit_of_work

TOKEN = "a token of the bucket"
KEY = "0b6a8f0e-55a6-4c55-8a55-5d3c5e2c7d11"
NOTICE = "/integrations/label-studio/webhook"
Tell = Callable[..., TestResponse]


@pytest.fixture
def heard_app(api_clients: Clients, app_over: AppMaker) -> Flask:
    settings = replace(api_clients.settings, storage_events_token=TOKEN)
    return app_over(replace(api_clients, settings=settings))


@pytest.fixture
def tell(heard_app: Flask) -> Tell:
    """Send an event under the key."""

    def send(key: str, *, bucket: str = "b", token: str = TOKEN) -> TestResponse:
        record = {"s3": {"bucket": {"name": bucket}, "object": {"key": key}}}
        headers = {"Idempotency-Key": KEY}
        client = CheckedClient(heard_app, token)
        return client.post("/v1/storage/events", json={"Records": [record]}, headers=headers)

    return send


def due(sessions: Sessions) -> int:
    """How many datasets are to be synchronised soon."""
    with unit_of_work(sessions) as session:
        counted = select(func.count()).select_from(Dataset).where(Dataset.sync_due_at.is_not(None))
        return session.scalar(counted) or 0


def forget_what_is_due(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        session.execute(update(Dataset).values(sync_due_at=None))


def test_an_event_that_comes_again_is_heard_once_and_answered_alike(tell: Tell, sessions: Sessions) -> None:
    make_dataset(sessions, input_path="in/")
    first = tell("in/a.png")
    assert (first.status_code, first.json, due(sessions)) == (202, {"datasets": 1}, 1)
    forget_what_is_due(sessions)
    again = tell("in/a.png")
    assert (again.status_code, again.data, again.headers["Idempotency-Replayed"]) == (202, first.data, "true")
    assert due(sessions) == 0


def test_another_event_under_the_key_is_refused(tell: Tell, sessions: Sessions) -> None:
    make_dataset(sessions, input_path="in/")
    tell("in/a.png")
    answer = tell("in/b.png")
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")


def test_the_keys_of_two_buckets_do_not_meet(tell: Tell, sessions: Sessions) -> None:
    make_dataset(sessions, input_path="in/")
    answers = [tell("in/a.png", bucket=name) for name in ("one", "other")]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert "Idempotency-Replayed" not in answers[1].headers


def test_the_key_of_a_bucket_is_no_users(tell: Tell, client: FlaskClient, sessions: Sessions) -> None:
    make_dataset(sessions, input_path="in/")
    tell("in/a.png")
    answer = client.post("/v1/datasets", json={"name": "Cats"}, headers={"Idempotency-Key": KEY})
    assert answer.status_code == 201


def test_an_event_that_comes_meanwhile_waits_for_the_answer_to_the_first(
    tell: Tell, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(sessions, input_path="in/")
    inside, go_on = threading.Event(), threading.Event()
    real_ask, real_sleep = syncs.ask, web.sleep
    asked: list[Any] = []

    def ask(*arguments: Any) -> int:
        asked.append(arguments)
        inside.set()
        assert go_on.wait(30)
        return real_ask(*arguments)

    def sleep(seconds: float) -> None:
        go_on.set()
        real_sleep(seconds)

    monkeypatch.setattr(syncs, "ask", ask)
    monkeypatch.setattr(web, "sleep", sleep)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tell, "in/a.png")
        assert inside.wait(30)
        meanwhile = tell("in/a.png")
    assert meanwhile.data == first.result().data
    assert meanwhile.headers["Idempotency-Replayed"] == "true"
    assert len(asked) == 1


def test_an_event_whose_answer_was_lost_is_answered_from_what_it_did(tell: Tell, sessions: Sessions) -> None:
    make_dataset(sessions, input_path="in/")
    tell("in/a.png")
    forget_what_is_due(sessions)
    with unit_of_work(sessions) as session:
        nothing = {"status": None, "headers": None, "body": None}
        session.execute(update(IdempotencyKey).values(**nothing, attempt_expires_at=func.clock_timestamp()))
    assert (tell("in/a.png").json, due(sessions)) == ({"datasets": 1}, 0)


def test_whoever_is_not_the_bucket_takes_no_key(tell: Tell, inventory: Inventory) -> None:
    before = inventory.rows()["idempotency_keys"]
    assert tell("in/a.png", token="of somebody").status_code == 401
    assert inventory.rows()["idempotency_keys"] == before


def test_notices_of_strangers_are_answered_alike_and_fill_no_table(
    nobody: FlaskClient, inventory: Inventory
) -> None:
    before = inventory()
    answers = [
        nobody.post(NOTICE, json={"action": action}, headers={"Idempotency-Key": KEY})
        for action in ("ANNOTATION_CREATED", "ANNOTATION_CREATED", "PROJECT_UPDATED")
    ]
    assert [(answer.status_code, answer.json) for answer in answers] == [(200, {"status": "ignored"})] * 3
    assert inventory() == before


def test_what_is_no_key_is_refused_of_strangers_too(nobody: FlaskClient) -> None:
    answer = nobody.post(NOTICE, json={"action": "x"}, headers={"Idempotency-Key": "a b"})
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "idempotency_key_invalid")
