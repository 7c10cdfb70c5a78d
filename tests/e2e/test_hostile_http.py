"""Requests that no HTTP library would send, to the server as it runs."""

import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.http_client import Client

from fourpoint_api.web.browsers import NOT_TO_BE_RUN
from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")


@dataclass(frozen=True)
class Answer:
    """headers: their names in small letters."""

    status: int
    headers: dict[str, str]
    problem: dict[str, Any]


def answer_to(stack: Stack, request: bytes) -> Answer:
    """What these bytes are answered."""
    address = urlsplit(stack.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert headers["content-type"] == "application/problem+json"
    return Answer(int(lines[0].split()[1]), headers, json.loads(body))


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET /v1/datasets?cursor=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "address_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/9.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: pigeons\r\n\r\n", 501, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417, "bad_request"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_problem_document(
    stack: Stack, request_bytes: bytes, status: int, code: str
) -> None:
    answer = answer_to(stack, request_bytes)
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert answer.problem["status"] == status
    assert answer.headers.items() >= {(name.lower(), value) for name, value in NOT_TO_BE_RUN.items()}
    assert answer.headers["x-request-id"] == answer.problem["request_id"]
    assert f'"request_id": "{answer.problem["request_id"]}"' in (stack.log_directory / "api.log").read_text()


def test_a_body_in_pieces_that_are_none_is_refused(stack: Stack, client: Client) -> None:
    head = (
        f"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.admin_token}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    answer = answer_to(stack, head + b'zzzz\r\n{"name": "chunk"}\r\n0\r\n\r\n')
    assert (answer.status, answer.problem["code"]) == (400, "bad_request")


def test_a_body_that_breaks_off_is_refused_even_where_it_looks_whole(stack: Stack, client: Client) -> None:
    head = (
        f"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.admin_token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    ).encode()
    answer = answer_to(stack, head + b'{"name": "broken off"}')
    assert (answer.status, answer.problem["code"]) == (400, "bad_request")


def test_a_client_that_sends_its_whole_body_first_hears_that_it_is_too_large(stack: Stack) -> None:
    body = b" " * (30 * 1024 * 1024)
    head = (
        f"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.admin_token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    answer = answer_to(stack, head + body)
    assert (answer.status, answer.problem["code"]) == (413, "body_too_large")
