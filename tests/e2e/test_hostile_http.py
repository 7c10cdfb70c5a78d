"""Requests that no HTTP library would send, to the server as it runs."""

import json
import socket
from urllib.parse import urlsplit

import pytest
from tests.http_client import Client

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")


def answer_to(stack: Stack, request: bytes) -> tuple[int, str, dict]:
    """Status, media type and document of the answer to these bytes."""
    address = urlsplit(stack.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=120) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers["content-type"], json.loads(body)


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET /v1/datasets?cursor=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "address_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/9.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "bad_request"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_problem_document(
    stack: Stack, request_bytes: bytes, status: int, code: str
) -> None:
    found, media_type, problem = answer_to(stack, request_bytes)
    assert (found, media_type, problem["code"]) == (status, "application/problem+json", code)
    assert problem["status"] == status


def test_a_body_in_pieces_that_are_none_is_refused(stack: Stack, client: Client) -> None:
    head = (
        f"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.admin_token}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    status, media_type, problem = answer_to(stack, head + b'zzzz\r\n{"name": "chunk"}\r\n0\r\n\r\n')
    assert (status, media_type, problem["code"]) == (400, "application/problem+json", "bad_request")


def test_a_body_that_breaks_off_is_refused_even_where_it_looks_whole(stack: Stack, client: Client) -> None:
    head = (
        f"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.admin_token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    ).encode()
    status, media_type, problem = answer_to(stack, head + b'{"name": "broken off"}')
    assert (status, media_type, problem["code"]) == (400, "application/problem+json", "bad_request")


def test_a_client_that_sends_its_whole_body_first_hears_that_it_is_too_large(stack: Stack) -> None:
    body = b" " * (30 * 1024 * 1024)
    head = (
        f"POST /v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.admin_token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    status, media_type, problem = answer_to(stack, head + body)
    assert (status, media_type, problem["code"]) == (413, "application/problem+json", "body_too_large")
