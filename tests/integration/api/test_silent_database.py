"""A PostgreSQL that stands still: requests are told so, and hold no thread for ever."""

import os
import signal
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from tests.integration.api.checked_client import CheckedClient
from tests.integration.applications import AppMaker

from fourpoint_api import clients as api_clients_module
from fourpoint_api.clients import Clients, build_clients
from fourpoint_api.settings import ApiSettings

_OF_APPLICATION = text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'fourpoint'"
)


@pytest.fixture
def impatient(api_settings: ApiSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients that wait for PostgreSQL for a second."""
    monkeypatch.setattr(api_clients_module, "SILENCE_SECONDS", 1.0)
    made = build_clients(api_settings)
    yield made
    made.close()


@pytest.fixture
def client(impatient: Clients, app_over: AppMaker, admin_token: str) -> FlaskClient:
    return CheckedClient(app_over(impatient), admin_token)


@pytest.fixture
def stopped(client: FlaskClient, impatient: Clients) -> Iterator[None]:
    """All servers of all connections stand still."""
    assert client.get("/v1/datasets").status_code == 200
    url = impatient.sessions.kw["bind"].url
    with create_engine(url, poolclass=NullPool).connect() as connection:
        pids = connection.scalars(_OF_APPLICATION).all()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_a_request_of_which_nothing_is_heard_may_be_sent_again(client: FlaskClient, stopped: None) -> None:
    answer = client.post("/v1/datasets", json={"name": "Cats"}, headers={"Idempotency-Key": "key"})
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    # Over a connection of its own.
    again = client.post("/v1/datasets", json={"name": "Cats"}, headers={"Idempotency-Key": "key"})
    assert again.status_code == 201
