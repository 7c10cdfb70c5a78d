"""Bodies that do not say how long they are, HTTP's chunked transfer, and those that say so and break off."""

import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.factories import image_bytes
from tests.integration.api.inventory import Inventory
from werkzeug.test import TestResponse

from fourpoint_api.settings import ApiSettings
from fourpoint_core.store.models import Dataset


def send_chunked(client: FlaskClient, body: bytes) -> TestResponse:
    return client.post(
        "/v1/datasets",
        input_stream=io.BytesIO(body),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )


def test_a_short_one_is_read(client: FlaskClient) -> None:
    assert send_chunked(client, b'{"name": "streamed"}').status_code == 201


def test_one_over_the_limit_is_refused_and_never_cut(client: FlaskClient, api_settings: ApiSettings) -> None:
    document = b'{"name": "streamed"}'
    body = document + b" " * (api_settings.max_json_bytes - len(document)) + b"x" * 1000
    response = send_chunked(client, body)
    assert (response.status_code, response.json["code"]) == (413, "body_too_large")
    assert client.get("/v1/datasets").json["items"] == []


def send_cut(client: FlaskClient, path: str, body: bytes, content_type: str) -> Any:
    """A request whose client went away behind `body`, of which more was announced."""
    return client.post(
        path,
        input_stream=io.BytesIO(body),
        content_type=content_type,
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(body) + 100)},
    )


@pytest.mark.parametrize("body", [b'{"name": "cut"}', b'{"name": "cu', b""])
def test_a_document_that_breaks_off_is_refused_even_where_it_looks_whole(
    client: FlaskClient, body: bytes
) -> None:
    response = send_cut(client, "/v1/datasets", body, "application/json")
    assert (response.status_code, response.json["code"]) == (400, "bad_request")
    assert "shorter than Content-Length" in response.json["detail"]
    assert client.get("/v1/datasets").json["items"] == []


def test_an_upload_that_breaks_off_behind_its_last_file_stores_nothing(
    client: FlaskClient, dataset: Dataset, inventory: Inventory
) -> None:
    before = inventory()
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = part + image_bytes() + b"\r\n--x--\r\n"
    response = send_cut(client, f"/v1/datasets/{dataset.id}/samples", body, "multipart/form-data; boundary=x")
    assert (response.status_code, response.json["code"]) == (400, "bad_request")
    assert inventory() == before
