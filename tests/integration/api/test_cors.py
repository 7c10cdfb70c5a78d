"""Pages of other origins."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from tests.integration.api.checked_client import CheckedClient
from tests.integration.applications import AppMaker
from werkzeug.test import TestResponse

from fourpoint_api.clients import build_clients
from fourpoint_api.settings import ApiSettings

PAGE, OTHER = "https://label.example.org", "https://elsewhere.example.org"


@pytest.fixture
def page(api_settings: ApiSettings, app_over: AppMaker, admin_token: str) -> Iterator[FlaskClient]:
    """A client of an API that two pages may call."""
    clients = build_clients(replace(api_settings, cors_origins=f"{PAGE}, http://localhost:5173"))
    yield CheckedClient(app_over(clients), admin_token)
    clients.close()


def preflight(client: FlaskClient, origin: str, method: str = "PUT", headers: str = "If-Match") -> TestResponse:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    # As a browser asks: without a token.
    return client.application.test_client().options("/v1/datasets", headers=asked)


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:5173"])
def test_a_page_that_was_named_may_call(page: FlaskClient, origin: str) -> None:
    answer = preflight(page, origin, "PATCH", "authorization, if-match, idempotency-key, prefer, traceparent")
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "if-match", "idempotency-key", "prefer", "traceparent"} <= set(allowed)


def test_a_page_may_read_the_headers_that_it_goes_by(page: FlaskClient) -> None:
    answer = page.get("/v1/datasets", headers={"Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"ETag", "Location", "Link", "Retry-After", "X-Request-ID"} <= set(exposed)


def test_a_page_may_read_why_it_was_refused(page: FlaskClient) -> None:
    answer = page.get("/v1/datasets?limit=0", headers={"Origin": PAGE})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (422, PAGE)


def test_another_page_may_not(page: FlaskClient) -> None:
    assert "Access-Control-Allow-Origin" not in preflight(page, OTHER).headers
    assert "Access-Control-Allow-Origin" not in page.get("/v1/me", headers={"Origin": OTHER}).headers


def test_answers_to_several_pages_are_not_mixed_up_in_caches(page: FlaskClient) -> None:
    assert "Origin" in page.get("/v1/me", headers={"Origin": PAGE}).headers["Vary"]


def test_cookies_are_never_asked_for(page: FlaskClient) -> None:
    assert "Access-Control-Allow-Credentials" not in preflight(page, PAGE).headers


def test_where_no_page_is_named_none_may_call(client: FlaskClient) -> None:
    assert "Access-Control-Allow-Origin" not in client.get("/v1/me", headers={"Origin": PAGE}).headers
