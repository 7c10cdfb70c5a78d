"""Clients that send slowly, or do not read, before a real gunicorn of two threads."""

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from fourpoint_api.settings import ApiSettings
from fourpoint_standalone.processes import free_port

THREADS = 2
POST = b"POST /integrations/label-studio/webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
HALF_A_HEAD = b"GET /healthz HT"
HALF_A_SMALL_BODY = POST + b"Content-Length: 100\r\n\r\n{"
HALF_A_LARGE_BODY = POST + b"Content-Length: 1000000\r\n\r\n{" + b" " * 500_000
# A client that is waited for so long is still there when the test has long failed.
FOR_EVER, A_MOMENT = "3600", "1"


@pytest.fixture
def port(api_settings: ApiSettings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """Of a gunicorn that waits so many seconds for heads and bodies."""
    number = free_port()
    variables = {
        "FOURPOINT_DATABASE_URL": api_settings.database_url,
        "FOURPOINT_REDIS_URL": api_settings.redis_url,
        "FOURPOINT_STORAGE_URL": api_settings.storage_url,
        "FOURPOINT_SECRET_KEY": api_settings.secret_key,
        "FOURPOINT_BIND": f"127.0.0.1:{number}",
        "FOURPOINT_API_WORKERS": "1",
        "FOURPOINT_API_THREADS": str(THREADS),
        "FOURPOINT_HEAD_SECONDS": request.param,
        "FOURPOINT_BODY_SECONDS": request.param,
    }
    command = [sys.executable, "-m", "gunicorn", "fourpoint_api.wsgi:app"]
    command.append("--config=python:fourpoint_api.gunicorn_conf")
    with subprocess.Popen(command, env=os.environ | variables, cwd=tmp_path) as running:
        transport = httpx.HTTPTransport(retries=20)
        with httpx.Client(transport=transport, timeout=60) as client:
            assert client.get(f"http://127.0.0.1:{number}/healthz").is_success
        yield number
        running.kill()


@pytest.mark.parametrize("port", [FOR_EVER], indirect=True)
def test_while_many_send_slowly_others_are_answered(port: int) -> None:
    with ExitStack() as held:
        for sent in (HALF_A_HEAD, HALF_A_SMALL_BODY, HALF_A_LARGE_BODY):
            for _ in range(4 * THREADS):
                held.enter_context(connection(port, sent))
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60).is_success


@pytest.mark.parametrize("port", [FOR_EVER], indirect=True)
def test_of_large_bodies_that_come_slowly_half_as_many_as_threads_are_waited_for(port: int) -> None:
    with connection(port, HALF_A_LARGE_BODY) as one, connection(port, HALF_A_LARGE_BODY) as other:
        answered, _, _ = select.select([one, other], [], [], 60)
        answer = everything(answered[0])
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"too_busy" in answer


@pytest.mark.parametrize("port", [A_MOMENT], indirect=True)
def test_whoever_is_too_slow_is_told_so(port: int) -> None:
    for sent in (HALF_A_HEAD, HALF_A_SMALL_BODY, HALF_A_LARGE_BODY):
        with connection(port, sent) as slow:
            answer = everything(slow)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert b"request_too_slow" in answer
    with connection(port, b"") as silent:
        assert everything(silent) == b""


@pytest.mark.parametrize("port", [A_MOMENT], indirect=True)
def test_whoever_does_not_read_answers_is_not_waited_for(port: int) -> None:
    # More than the kernel keeps for them.
    answers = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8
    with ExitStack() as held, httpx.Client(timeout=60) as client:
        for _ in range(2 * THREADS):
            held.enter_context(connection(port, answers))
        # The threads come to a stop within the first few.
        for _ in range(100):
            assert client.get(f"http://127.0.0.1:{port}/healthz").is_success


def connection(port: int, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    client.sendall(sent)
    return client


def everything(client: socket.socket) -> bytes:
    """What comes until the other end closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))
