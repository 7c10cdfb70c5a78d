"""Tokens: shown once, for no more and no longer than what made them, and over when they are revoked."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.factories import make_token
from tests.integration.api.checked_client import CheckedClient

from fourpoint_api.app import create_app
from fourpoint_api.clients import Clients
from fourpoint_api.settings import ApiSettings
from fourpoint_api.web.signing_in import SignIn
from fourpoint_core.domain.access import Scope
from fourpoint_core.store.session import Sessions


def make(client: FlaskClient, **body: Any) -> Any:
    return client.post("/v1/tokens", json={"name": "export", **body})


def days_left(token: Any) -> float:
    return (datetime.fromisoformat(token["expires_at"]) - datetime.now(UTC)) / timedelta(days=1)


def test_a_new_token_signs_its_owner_in(app: Flask, person: Callable[..., Any]) -> None:
    ada = person()
    made = make(ada, scope="label")
    assert made.status_code == 201
    me = CheckedClient(app, made.json["secret"]).get("/v1/me").json
    assert (me["id"], me["scope"], me["token_id"]) == (str(ada.user.id), "label", made.json["id"])


def test_a_secret_can_be_told_for_what_it_is(client: FlaskClient) -> None:
    secret = make(client).json["secret"]
    assert secret.startswith("fpt_")
    assert len(secret) == len("fpt_") + 43


def test_two_secrets_differ(client: FlaskClient) -> None:
    assert make(client).json["secret"] != make(client).json["secret"]


def test_a_secret_is_shown_once(client: FlaskClient) -> None:
    made = make(client)
    assert made.headers["Cache-Control"] == "no-store"
    assert made.json["secret"] not in client.get("/v1/tokens").text


def test_tokens_are_listed_with_what_they_are_for(person: Callable[..., Any]) -> None:
    ada = person()
    made = make(ada, name="nightly", expires_in_days=1).json
    listed = ada.get("/v1/tokens").json["items"]
    assert [item["name"] for item in listed] == ["of a test", "nightly"]
    assert listed[1] == {name: value for name, value in made.items() if name != "secret"}


def test_a_token_lives_as_long_as_asked(client: FlaskClient) -> None:
    assert days_left(make(client, expires_in_days=30).json) == pytest.approx(30, abs=0.01)


def test_a_token_never_outlives_the_one_that_made_it(person: Callable[..., Any]) -> None:
    assert days_left(make(person(), expires_in_days=30).json) <= 1


def test_no_token_lives_longer_than_the_service_allows(client: FlaskClient) -> None:
    answer = make(client, expires_in_days=366)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "lifetime_too_long")


@pytest.mark.parametrize("days", [0, -1, 1.5, "soon", 10**12, None])
def test_a_life_is_some_days(client: FlaskClient, days: object) -> None:
    assert make(client, expires_in_days=days).status_code == 422


@pytest.mark.parametrize("scope", ["", "everything", "READ", 1, None])
def test_a_scope_is_one_of_four(client: FlaskClient, scope: object) -> None:
    assert make(client, scope=scope).status_code == 422


def test_a_token_makes_none_for_more_than_its_own(person: Callable[..., Any]) -> None:
    answer = make(person(scope=Scope.MANAGE), scope="admin")
    assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")


def test_a_token_for_admins_is_for_admins_only(client: FlaskClient, person: Callable[..., Any]) -> None:
    answer = make(client, scope="admin", user_id=str(person().user.id))
    assert answer.json["errors"][0]["code"] == "scope_too_wide"


def test_an_admin_makes_tokens_for_others(app: Flask, client: FlaskClient, person: Callable[..., Any]) -> None:
    ada = person()
    secret = make(client, user_id=str(ada.user.id), scope="manage").json["secret"]
    assert CheckedClient(app, secret).get("/v1/me").json["id"] == str(ada.user.id)


def test_nobody_else_does(person: Callable[..., Any]) -> None:
    assert make(person(), user_id=str(person().user.id)).status_code == 404


def test_the_tokens_of_others_are_not_there(client: FlaskClient, person: Callable[..., Any]) -> None:
    ada, bob = person(), person()
    assert bob.get(f"/v1/tokens?user_id={ada.user.id}").status_code == 404
    token_id = ada.get("/v1/me").json["token_id"]
    assert bob.delete(f"/v1/tokens/{token_id}").status_code == 404
    assert ada.get("/v1/me").status_code == 200
    assert len(client.get(f"/v1/tokens?user_id={ada.user.id}").json["items"]) == 1


def test_an_unknown_token_cannot_be_revoked(client: FlaskClient, unknown_id: UUID) -> None:
    assert client.delete(f"/v1/tokens/{unknown_id}").status_code == 404


def test_a_revoked_token_opens_nothing_once_it_is_forgotten(
    api_clients: Clients, api_settings: ApiSettings, sessions: Sessions
) -> None:
    forgetful = SignIn(replace(api_settings, auth_cache_seconds=1e-9), sessions)
    ada = CheckedClient(create_app(replace(api_clients, sign_in=forgetful)), make_token(sessions))
    token_id = ada.get("/v1/me").json["token_id"]
    assert ada.delete(f"/v1/tokens/{token_id}").status_code == 204
    assert ada.get("/v1/me").json["code"] == "token_invalid"


def test_revoking_twice_changes_nothing(client: FlaskClient) -> None:
    token_id = make(client).json["id"]
    times = []
    for _ in range(2):
        assert client.delete(f"/v1/tokens/{token_id}").status_code == 204
        times.append(client.get("/v1/tokens").json["items"][-1]["revoked_at"])
    assert times[0] == times[1] is not None
