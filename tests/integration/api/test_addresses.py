"""Addresses, methods, request ids: HTTP before any noun."""

import logging
import re
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from fourpoint_api.clients import Clients
from fourpoint_core.logs import request_id_var


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/v1",
        "/v1/datasets/",
        "/v1/datasets/not-an-id",
        "/v1/datasets/00000000-0000-0000-0000-00000000000",
        "/v1/samples/%00",
        "/v1/samples/{01930000-0000-7000-8000-00000000dead}",
        "/v1/jobs/../datasets",
    ],
)
def test_there_is_nothing_at_an_unknown_address(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "route_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/v1/datasets", {"GET", "POST"}), ("PUT", "/healthz", {"GET"}), ("TRACE", "/v1/jobs", {"GET"})],
)
def test_a_method_that_is_not_offered_is_named_with_those_that_are(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert allowed <= set(answer.headers["Allow"].split(", "))


def test_a_request_id_comes_back(client: FlaskClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["X-Request-ID"] == "mine-1"


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "é", "{}"])
def test_a_request_id_that_could_forge_a_log_line_is_replaced(client: FlaskClient, given: str) -> None:
    answered = client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert UUID(answered).version == 7


def test_a_problem_names_its_request(client: FlaskClient) -> None:
    assert client.get("/nowhere", headers={"X-Request-ID": "mine-2"}).json["request_id"] == "mine-2"


def test_every_line_of_a_request_carries_its_id(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    seen = []
    caplog.handler.addFilter(lambda record: seen.append((record.getMessage(), request_id_var.get())) or True)
    with caplog.at_level(logging.INFO):
        client.get("/healthz", headers={"X-Request-ID": "mine-3"})
    assert ("request", "mine-3") in seen


def test_a_request_id_ends_with_its_request(client: FlaskClient) -> None:
    client.get("/healthz", headers={"X-Request-ID": "mine-4"})
    assert request_id_var.get() is None


def test_a_defect_answers_500_and_leaks_nothing(
    client: FlaskClient, api_clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr("fourpoint_api.resources.labels.operations.listing", defect)
    answer = client.get("/v1/datasets/01930000-0000-7000-8000-00000000dead/labels")
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text


def test_a_pool_without_a_free_connection_says_come_again(
    client: FlaskClient, api_clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = api_clients.sessions.kw["bind"].pool
    monkeypatch.setattr(pool, "_timeout", 0.05)
    held = [api_clients.sessions.kw["bind"].connect() for _ in range(6)]
    answer = client.get("/v1/datasets")
    for connection in held:
        connection.close()
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_the_docs_load_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/docs/").text
    assert "swagger-ui" in page
    # What a browser loads, and where it may be sent back to: the host itself.
    assert set(re.findall(r"https?://[^/]*", page)) <= {"http://localhost"}


def test_the_docs_assets_are_served(client: FlaskClient) -> None:
    assert client.get("/docs/swagger-ui-bundle.js").status_code == 200


def test_the_contract_is_served(client: FlaskClient) -> None:
    assert client.get("/openapi.json").json["openapi"].startswith("3.1")
