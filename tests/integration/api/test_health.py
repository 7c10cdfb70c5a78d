"""Liveness and readiness: the truth about what the service depends on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.integration.api.checked_client import CheckedClient
from tests.integration.applications import AppMaker

from fourpoint_api.clients import build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_core.jobs.contracts import INFERENCE_QUEUES, IO_QUEUES
from fourpoint_core.store.queries import workers
from fourpoint_core.store.session import Sessions, unit_of_work


@pytest.fixture
def _workers(sessions: Sessions) -> None:
    """One worker process of each kind, heard of just now."""
    with unit_of_work(sessions) as session:
        workers.greet(
            session, "inference-1", [queue.value for queue in INFERENCE_QUEUES], "weight-free", "0" * 64
        )
        workers.greet(session, "io-1", [queue.value for queue in IO_QUEUES], None, None)


@pytest.fixture
def client_without(api_settings: ApiSettings, app_over: AppMaker) -> Iterator[object]:
    """A client of an API with other settings."""
    opened = []

    def make(**changes: str) -> FlaskClient:
        opened.append(build_clients(replace(api_settings, **changes)))
        return CheckedClient(app_over(opened[-1]), "fpt_whoever")

    yield make
    for clients in opened:
        clients.close()


def checks(client: FlaskClient, status: int) -> dict[str, str]:
    answer = client.get("/readyz")
    assert answer.status_code == status, answer.json
    assert answer.json["status"] == ("ready" if status == 200 else "not_ready")
    return answer.json["checks"]


@pytest.mark.usefixtures("_workers")
def test_with_all_there_it_is_ready(client: FlaskClient) -> None:
    assert set(checks(client, 200).values()) == {"ok"}


@pytest.mark.usefixtures("_workers")
def test_it_names_the_engines(client: FlaskClient) -> None:
    assert client.get("/readyz").json["engines"] == ["weight-free"]


def test_queues_that_nobody_consumes_are_named(client: FlaskClient) -> None:
    assert checks(client, 503)["workers"] == "nobody consumes: batch, click, io, prefetch"


@pytest.mark.usefixtures("_workers")
def test_a_worker_that_fell_silent_does_not_count(client: FlaskClient, sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        session.connection().exec_driver_sql(
            "UPDATE worker_processes SET seen_at = seen_at - interval '1 minute' WHERE name = 'io-1'"
        )
    assert checks(client, 503)["workers"] == "nobody consumes: io"


@pytest.mark.usefixtures("_workers")
def test_a_redis_that_is_away_is_named(client_without_redis: FlaskClient) -> None:
    found = checks(client_without_redis, 503)
    assert found.pop("broker") == "Redis does not answer"
    assert set(found.values()) == {"ok"}


def test_a_database_that_is_away_is_named(client_without) -> None:
    found = checks(client_without(database_url="postgresql://nobody@127.0.0.1:1/none"), 503)
    assert found["database"] == "The database did not answer; try again."
    assert (found["broker"], found["storage"]) == ("ok", "ok")


def test_a_database_without_migrations_is_named(client_without, empty_database_url: str) -> None:
    assert "migrations" in checks(client_without(database_url=empty_database_url), 503)["database"]


@pytest.mark.usefixtures("_workers")
def test_a_storage_that_is_away_is_named(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "objects").rename(tmp_path / "elsewhere")
    found = checks(client, 503)
    assert "FOURPOINT_STORAGE_URL" in found.pop("storage")
    assert set(found.values()) == {"ok"}


def test_it_is_alive_whatever_is_away(client_without) -> None:
    lonely = client_without(
        database_url="postgresql://nobody@127.0.0.1:1/none", redis_url="redis://127.0.0.1:1/0"
    )
    assert lonely.get("/healthz").json == {"status": "ok"}


@pytest.mark.parametrize(
    "path", ["/v1/datasets", "/v1/jobs", "/v1/samples/01930000-0000-7000-8000-00000000dead"]
)
def test_without_a_database_a_request_is_told_to_come_again(client_without, path: str) -> None:
    answer = client_without(database_url="postgresql://nobody@127.0.0.1:1/none").get(path)
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert "Retry-After" in answer.headers
