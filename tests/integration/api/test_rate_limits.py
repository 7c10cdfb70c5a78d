"""How often one may ask, and what is said of it."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from redis import Redis
from tests.factories import make_token
from tests.integration.api.checked_client import CheckedClient
from tests.integration.applications import AppMaker

from fourpoint_api.clients import build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_api.web import rate_limits
from fourpoint_api.web.rate_limits import PREFIX, network_of
from fourpoint_core.store.session import Sessions

Limited = Callable[..., FlaskClient]


@pytest.fixture
def limited(
    api_settings: ApiSettings, app_over: AppMaker, admin_token: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Limited]:
    """Makes clients of an API with other limits, which has all the time that a slow Redis takes."""
    monkeypatch.setattr(rate_limits, "_PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(rate_limits, "_PAUSE_SECONDS", 60.0)
    made = []

    def make(token: str | None = admin_token, **limits: object) -> FlaskClient:
        settings = replace(api_settings, **{"rate_limit_token": 0, "rate_limit_address": 0, **limits})
        made.append(build_clients(settings))
        return CheckedClient(app_over(made[-1]), token)

    yield make
    for clients in made:
        clients.close()


def statuses(client: FlaskClient, count: int) -> list[int]:
    return [client.get("/v1/me").status_code for _ in range(count)]


def test_whoever_asks_too_often_is_told_when_to_come_again(limited: Limited) -> None:
    client = limited(rate_limit_token=3)
    assert statuses(client, 3) == [200] * 3
    refused = client.get("/v1/me")
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 20


def test_whoever_waits_as_told_may_ask_again(limited: Limited, redis: Redis) -> None:
    client = limited(rate_limit_token=2)
    assert statuses(client, 2) == [200, 200]
    refused = client.get("/v1/me")
    [key] = redis.keys(f"{PREFIX}*")
    # The time passes: what is kept is a moment, in milliseconds.
    redis.set(key, float(redis.get(key) or 0) - int(refused.headers["Retry-After"]) * 1000)
    assert statuses(client, 2) == [200, 429]


def test_what_is_refused_does_not_count(limited: Limited, redis: Redis) -> None:
    client = limited(rate_limit_token=2)
    assert statuses(client, 2) == [200, 200]
    [key] = redis.keys(f"{PREFIX}*")
    before = redis.get(key)
    assert statuses(client, 3) == [429] * 3
    assert redis.get(key) == before


def test_each_answer_says_what_is_left(limited: Limited) -> None:
    answer = limited(rate_limit_token=10, rate_limit_address=100).get("/v1/me")
    assert answer.headers["RateLimit-Policy"] == '"token";q=10;w=60, "address";q=100;w=60'
    assert answer.headers["RateLimit"] == '"token";r=9;t=6, "address";r=99;t=1'


def test_tokens_are_counted_apart(limited: Limited, sessions: Sessions) -> None:
    client = limited(rate_limit_token=1)
    other = {"Authorization": f"Bearer {make_token(sessions)}"}
    assert statuses(client, 2) == [200, 429]
    assert client.get("/v1/me", headers=other).status_code == 200


def test_a_token_is_one_however_it_is_written(limited: Limited, admin_token: str) -> None:
    client, path = limited(None, rate_limit_token=3), "/integrations/cvat/api/functions"
    passwords = [f"{name}:{admin_token}".encode() for name in ("a", "b")]
    basic = [f"Basic {base64.b64encode(one).decode()}" for one in passwords]
    written = [f"Bearer {admin_token}", f"bEaReR   {admin_token}", f"Token {admin_token}", *basic]
    found = [client.get(path, headers={"Authorization": one}).status_code for one in written]
    assert found == [200] * 3 + [429] * 2


def test_whoever_tries_out_tokens_meets_the_limit_of_the_address(limited: Limited) -> None:
    client = limited(None, rate_limit_token=1, rate_limit_address=3)
    tried = [client.get("/v1/me", headers={"Authorization": f"Bearer fpt_{n}"}).status_code for n in range(4)]
    assert tried == [401, 401, 401, 429]


def test_what_one_quota_refuses_does_not_count_for_another(limited: Limited) -> None:
    assert statuses(limited(rate_limit_token=1, rate_limit_address=2), 4) == [200, 429, 429, 429]
    # One of two is left to the address.
    assert statuses(limited(None, rate_limit_address=2), 2) == [401, 429]


def test_addresses_are_counted_apart(limited: Limited) -> None:
    client = limited(rate_limit_address=1)
    assert statuses(client, 2) == [200, 429]
    elsewhere = {"REMOTE_ADDR": "203.0.113.7"}
    assert client.get("/v1/me", environ_overrides=elsewhere).status_code == 200


def test_a_limit_of_zero_is_none(limited: Limited, redis: Redis) -> None:
    answer = limited().get("/v1/me")
    assert (answer.status_code, "RateLimit" in answer.headers, redis.keys(f"{PREFIX}*")) == (200, False, [])


def test_without_redis_requests_pass(limited: Limited, caplog: pytest.LogCaptureFixture) -> None:
    client = limited(rate_limit_token=1, redis_url="redis://127.0.0.1:1/0")
    assert statuses(client, 3) == [200] * 3
    # It is asked once, and not by each request.
    assert [record.message for record in caplog.records].count("requests are not counted") == 1


def test_whoever_asks_for_the_health_is_answered(limited: Limited) -> None:
    client = limited(rate_limit_address=1)
    assert [client.get("/healthz").status_code for _ in range(3)] == [200] * 3


def test_nothing_stays_of_those_who_have_gone(limited: Limited, redis: Redis) -> None:
    limited(rate_limit_token=60).get("/v1/me")
    [key] = redis.keys(f"{PREFIX}*")
    assert 0 < redis.pttl(key) <= 1000


def test_a_token_is_not_kept_in_redis(limited: Limited, redis: Redis, admin_token: str) -> None:
    limited(rate_limit_token=60).get("/v1/me")
    assert admin_token.encode() not in b"".join(redis.keys("*"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
    ],
)
def test_of_ipv6_a_whole_network_is_one(address: str, network: str) -> None:
    assert network_of(address) == network
