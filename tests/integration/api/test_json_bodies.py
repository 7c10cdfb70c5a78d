"""What is no JSON, or JSON that cannot be meant: refused with a word on where and why."""

import io
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import marshmallow as ma
import pytest
from flask.testing import FlaskClient
from tests.integration.api.inventory import Inventory
from tests.integration.applications import AppMaker
from werkzeug.test import TestResponse

from fourpoint_api.clients import Clients
from fourpoint_api.web import fields
from fourpoint_api.web.auth import PUBLIC_BYTES
from fourpoint_api.web.problems import MAX_ERRORS


def send(client: FlaskClient, body: bytes, content_type: str = "application/json") -> TestResponse:
    return client.post("/v1/datasets", data=body, content_type=content_type)


def limit(client: FlaskClient) -> int:
    return client.application.config["MAX_CONTENT_LENGTH"]


@pytest.fixture(autouse=True)
def _nothing_is_stored(inventory: Inventory):
    before = inventory()
    yield
    assert inventory() == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'name': 'Cats'}",
        b'{"name": "Cats",}',
        b'{"name": "Cats"} x',
        b'{"name": "C\nats"}',
        b'{"name": "Cats", "description": "\xff"}',
        b'{"name": "\xed\xa0\x80"}',
        '{"name": "Cats"}'.encode("utf-16"),
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": -Infinity}',
        b'{"name": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"name":' * 50_000,
        b'{"name": "Cats", "name": "Dogs"}',
        b'{"name": "Cats", "labels": [{"name": "a", "name": "b"}]}',
    ],
)
def test_what_is_no_json_is_malformed(client: FlaskClient, body: bytes) -> None:
    answer = send(client, body)
    assert (answer.status_code, answer.json["code"]) == (400, "malformed_json")


def test_a_name_given_twice_is_told(client: FlaskClient) -> None:
    assert "'name'" in send(client, b'{"name": "Cats", "name": "Dogs"}').json["detail"]


@pytest.mark.parametrize("body", [b"[]", b'"Cats"', b"5", b"null", b"true", b'[{"name": "Cats"}]'])
def test_json_that_is_no_object_is_invalid(client: FlaskClient, body: bytes) -> None:
    answer = send(client, body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (rb'{"name": "a\u0000b"}', "/name"),
        (rb'{"name": "a\ud800b"}', "/name"),
        (rb'{"name": "a", "description": "\udfff"}', "/description"),
        (rb'{"name": "a", "input_path": "\u0000"}', "/input_path"),
        (rb'{"name": "a", "labels": [{"name": "b"}, {"name": "\u0000"}]}', "/labels/1/name"),
        (rb'{"name": "a", "\ud800": 1}', ""),
    ],
)
def test_strings_that_the_database_cannot_keep_are_pointed_at(
    client: FlaskClient, body: bytes, pointer: str
) -> None:
    answer = send(client, body)
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [(pointer, "not_text")]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", ""],
)
def test_another_media_type_is_refused_as_such(client: FlaskClient, content_type: str) -> None:
    answer = send(client, b'{"name": "Cats"}', content_type)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused(client: FlaskClient) -> None:
    answer = send(client, b'{"name": "' + b"x" * limit(client) + b'"}')
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")


def test_a_body_that_hides_its_length_is_read_up_to_the_limit_only(client: FlaskClient) -> None:
    endless = io.BytesIO(b'{"name": "' + b"x" * 2 * limit(client))
    answer = client.post(
        "/v1/datasets",
        input_stream=endless,
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert answer.json["code"] == "body_too_large"
    assert endless.tell() == limit(client)


@pytest.mark.parametrize("value", [0, 1, "true", "no", None, [], 1.0])
def test_what_merely_looks_like_a_boolean_is_refused(client: FlaskClient, value: object) -> None:
    answer = client.post("/v1/users", json={"name": "ada", "is_admin": value})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/is_admin")


@pytest.mark.parametrize("text", ["1", "True", "yes", ""])
def test_a_boolean_of_a_query_is_written_as_in_json(client: FlaskClient, text: str, unknown_id: UUID) -> None:
    address = f"/v1/datasets/{unknown_id}"
    assert client.delete(address, query_string={"delete_objects": text}).status_code == 422
    assert client.delete(address, query_string={"delete_objects": "true"}).status_code == 404


@pytest.mark.parametrize(
    ("address", "body", "pointer"),
    [
        ("/integrations/label-studio/predict", {"tasks": [0] * 10_001}, "/tasks"),
        ("/v1/datasets", {"name": "Cats", "labels": [0] * 1001}, "/labels"),
    ],
)
def test_of_a_list_that_is_too_long_nothing_else_is_said(
    client: FlaskClient, address: str, body: dict[str, object], pointer: str
) -> None:
    answer = client.post(address, json=body)
    assert (answer.status_code, [error["pointer"] for error in answer.json["errors"]]) == (422, [pointer])


def test_of_many_errors_some_are_told_and_the_rest_are_counted(client: FlaskClient) -> None:
    unknown = {f"field {number}": 0 for number in range(MAX_ERRORS + 3)}
    answer = client.post("/v1/datasets", json={"name": "Cats", **unknown})
    assert len(answer.json["errors"]) == MAX_ERRORS
    assert "3 more" in answer.json["detail"]


def test_no_more_items_are_looked_at_than_errors_are_told(client: FlaskClient) -> None:
    answer = client.post("/v1/datasets", json={"name": "Cats", "labels": [0] * 1000})
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/labels/{n}" for n in range(MAX_ERRORS)]
    assert "more" not in answer.json["detail"]


def test_whatever_has_a_length_is_counted_before_it_is_read() -> None:
    bounded = [
        field
        for schema in _schemas(ma.Schema)
        for field in schema._declared_fields.values()
        if isinstance(field, ma.fields.List | ma.fields.Dict)
        and any(isinstance(rule, ma.validate.Length) for rule in field.validators)
    ]
    assert bounded
    assert all(isinstance(field, fields.List | fields.Mapping) for field in bounded)


def _schemas(base: type[ma.Schema]) -> Iterator[type[ma.Schema]]:
    for schema in base.__subclasses__():
        yield schema
        yield from _schemas(schema)


@pytest.mark.parametrize("address", ["/integrations/label-studio/webhook", "/v1/storage/events"])
def test_whoever_needs_no_token_may_send_little(api_clients: Clients, app_over: AppMaker, address: str) -> None:
    settings = replace(api_clients.settings, storage_events_token="a token of the bucket")
    answer = (
        app_over(replace(api_clients, settings=settings))
        .test_client()
        .post(
            address,
            data=b'{"text": "' + b"x" * PUBLIC_BYTES + b'"}',
            content_type="application/json",
            headers={"Authorization": f"Bearer {settings.storage_events_token}"},
        )
    )
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")
