"""Bodies that do not say how long they are: HTTP's chunked transfer."""

import io

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fourpoint_api.settings import ApiSettings


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
