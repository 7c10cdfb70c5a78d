"""Signing in: who one is, and what happens to tokens that are none."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from tests.factories import make_token, make_user
from tests.integration.api.checked_client import CheckedClient
from tests.integration.applications import AppMaker
from tests.integration.statements import statements

from fourpoint_api.clients import Clients
from fourpoint_api.settings import ApiSettings, Auth
from fourpoint_api.web.signing_in import SignIn
from fourpoint_core.domain.access import Scope
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.store.queries import tokens, users
from fourpoint_core.store.session import Sessions, unit_of_work


@pytest.fixture
def other(api_clients: Clients, api_settings: ApiSettings, app_over: AppMaker) -> Callable[..., FlaskClient]:
    """Makes clients of an API with other settings."""

    def make(token: str | None = None, **changes: Any) -> FlaskClient:
        sign_in = SignIn(replace(api_settings, **changes), api_clients.sessions)
        return CheckedClient(app_over(replace(api_clients, sign_in=sign_in)), token)

    return make


def me(client: FlaskClient, **headers: str) -> Any:
    return client.get("/v1/me", headers=headers)


def test_a_caller_learns_who_it_is(person: Callable[..., Any]) -> None:
    ada = person(scope=Scope.LABEL)
    answer = me(ada).json
    assert (answer["id"], answer["name"]) == (str(ada.user.id), ada.user.name)
    assert (answer["is_admin"], answer["scope"]) == (False, "label")


def test_without_a_token_a_request_is_asked_for_one(nobody: FlaskClient) -> None:
    answer = me(nobody)
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fourpoint"'


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer fpt_",
        "Bearer fpt_" + "A" * 43,
        "Bearer fpt_" + "A" * 100_000,
        "Bearer a.b.c",
        "Bearer x y",
        "Basic dXNlcjpwYXNz",
        "fpt_x",
        "Bearer \xe9",
        "Bearer fpt_'; DROP TABLE users; --",
    ],
)
def test_what_is_no_token_opens_nothing(nobody: FlaskClient, header: str) -> None:
    answer = me(nobody, Authorization=header)
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_for_less_is_told_what_would_do(person: Callable[..., Any]) -> None:
    answer = person(scope=Scope.READ).post("/v1/datasets", json={"name": "Cats"})
    assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")
    assert 'scope="manage"' in answer.headers["WWW-Authenticate"]


def test_an_expired_token_opens_nothing(app: Any, sessions: Sessions) -> None:
    assert me(CheckedClient(app, make_token(sessions, days=-1))).status_code == 401


def test_a_token_expires_also_for_who_was_just_recognised(app: Any, sessions: Sessions) -> None:
    client = CheckedClient(app, make_token(sessions, days=5 / 86400))
    assert me(client).status_code == 200
    expires_at = datetime.fromisoformat(me(client).json["token_expires_at"])
    while datetime.now(UTC) <= expires_at:
        time.sleep(0.01)
    assert me(client).status_code == 401


def test_a_disabled_person_opens_nothing(other: Callable[..., FlaskClient], sessions: Sessions) -> None:
    user = make_user(sessions)
    client = other(make_token(sessions, user.id), auth_cache_seconds=1e-9)
    assert me(client).status_code == 200
    with unit_of_work(sessions) as session:
        users.change_user(session, user, is_disabled=True)
    assert me(client).status_code == 401


def test_the_use_of_a_token_is_noted(app: Any, sessions: Sessions) -> None:
    secret = make_token(sessions)
    client = CheckedClient(app, secret)
    token_id = me(client).json["token_id"]
    with unit_of_work(sessions) as session:
        assert tokens.get_token(session, token_id).last_used_at is not None


def test_the_use_of_a_token_is_noted_now_and_then_only(
    other: Callable[..., FlaskClient], sessions: Sessions
) -> None:
    client = other(make_token(sessions), auth_cache_seconds=1e-9)
    me(client)
    with statements() as seen:
        me(client)
    assert [sql for sql in seen if sql.startswith("UPDATE")] == []


def test_who_was_just_recognised_costs_no_statement(client: FlaskClient) -> None:
    with statements() as seen:
        assert me(client).status_code == 200
    assert seen == []


def test_who_was_not_costs_one(other: Callable[..., FlaskClient], sessions: Sessions) -> None:
    client = other(make_token(sessions), auth_cache_seconds=1e-9)
    me(client)
    with statements() as seen:
        me(client)
    assert len(seen) == 1


def test_the_secret_is_nowhere_in_the_database(sessions: Sessions) -> None:
    secret = make_token(sessions)
    with unit_of_work(sessions) as session:
        rows = session.execute(text("SELECT t::text FROM api_tokens t")).scalars().all()
    assert rows
    assert not any(secret.removeprefix("fpt_") in row for row in rows)


def test_where_nobody_has_to_sign_in_everybody_is_the_built_in_admin(other: Callable[..., FlaskClient]) -> None:
    answer = me(other(auth=Auth.OFF)).json
    assert (answer["id"], answer["is_admin"], answer["scope"]) == (str(LOCAL_USER_ID), True, "admin")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/docs/"])
def test_what_shows_no_data_is_open(nobody: FlaskClient, path: str) -> None:
    assert nobody.get(path).status_code in {200, 503}


def test_an_address_that_does_not_exist_needs_no_token(nobody: FlaskClient) -> None:
    assert nobody.get("/v1/nothing").json["code"] == "route_not_found"
