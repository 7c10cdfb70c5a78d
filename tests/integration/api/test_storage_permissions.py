"""Testing a path of a real bucket, with a key that may not do everything."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.factories import make_token
from tests.s3_server import S3Server, s3_bucket, s3_server  # noqa: F401 - fixtures

from fourpoint_api.app import create_app
from fourpoint_api.clients import build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_core.store.session import Sessions

Test = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(
    api_settings: ApiSettings,
    sessions: Sessions,
    s3_server: S3Server,  # noqa: F811
    s3_bucket: str,  # noqa: F811
) -> Iterator[Test]:
    """Asks an API whose settings hold this key what may be done in the bucket."""
    with ExitStack() as stack:

        def ask(access_key: str, secret_key: str = s3_server.secret_key) -> dict[str, Any]:
            settings = replace(
                api_settings,
                storage_url=f"{s3_server.url}/{s3_bucket}",
                storage_access_key=access_key,
                storage_secret_key=secret_key,
                storage_region=s3_server.region,
            )
            clients = build_clients(settings)
            stack.callback(clients.close)
            client: FlaskClient = create_app(clients).test_client()
            token = {"Authorization": f"Bearer {make_token(sessions)}"}
            answer = client.post("/v1/storage/test", json={"path": "photos"}, headers=token)
            assert answer.status_code == 200
            return dict(answer.json or {})

        yield ask


def granted(answer: dict[str, Any]) -> list[str]:
    return [one["permission"] for one in answer["permissions"] if one["granted"]]


def test_a_key_that_may_do_all_is_told_so(ask: Test, s3_server: S3Server) -> None:  # noqa: F811
    answer = ask(s3_server.access_key)
    assert (answer["as_input"], answer["as_output"], len(granted(answer))) == (True, True, 5)


def test_what_a_reader_lacks_is_named(ask: Test, s3_server: S3Server, s3_bucket: str) -> None:  # noqa: F811
    s3_server.let_guest_read(s3_bucket)
    answer = ask(s3_server.guest_key)
    assert (answer["as_input"], answer["as_output"], granted(answer)) == (False, False, ["list"])
    [writing] = [one for one in answer["permissions"] if one["permission"] == "write"]
    assert "AccessDenied" in writing["detail"] and "policy" in writing["detail"]


def test_a_wrong_secret_is_named_as_that(ask: Test, s3_server: S3Server) -> None:  # noqa: F811
    answer = ask(s3_server.access_key, "wrong")
    assert granted(answer) == []
    assert "FOURPOINT_STORAGE_SECRET_KEY" in answer["permissions"][0]["detail"]
