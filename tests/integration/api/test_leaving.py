"""A process of the API that is told to end says so, serves on for a while, and is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fourpoint_api.settings import ApiSettings
from fourpoint_standalone.processes import free_port

DRAIN_SECONDS = 8


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def process(api_settings: ApiSettings, port: int, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    variables = {
        "FOURPOINT_DATABASE_URL": api_settings.database_url,
        "FOURPOINT_REDIS_URL": api_settings.redis_url,
        "FOURPOINT_STORAGE_URL": api_settings.storage_url,
        "FOURPOINT_SECRET_KEY": api_settings.secret_key,
        "FOURPOINT_BIND": f"127.0.0.1:{port}",
        "FOURPOINT_API_WORKERS": "1",
        "FOURPOINT_DRAIN_SECONDS": str(DRAIN_SECONDS),
    }
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "fourpoint_api.wsgi:app",
        "-c",
        "python:fourpoint_api.gunicorn_conf",
    ]
    with subprocess.Popen(command, env=os.environ | variables, cwd=tmp_path) as running:
        yield running
        running.kill()


def status(port: int, path: str) -> int:
    """The status of an answer; 0 where nobody listens."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60).status_code
    except httpx.TransportError:
        return 0


def until(port: int, path: str, wanted: int) -> None:
    """Ask until this is the answer."""
    end = time.monotonic() + 60
    while status(port, path) != wanted:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_who_leaves_says_so_and_serves_until_everybody_has_heard(
    process: subprocess.Popen[bytes], port: int
) -> None:
    until(port, "/healthz", 200)
    process.send_signal(signal.SIGTERM)
    until(port, "/healthz", 503)
    assert status(port, "/openapi.json") == 200
    assert process.wait(60) == 0
    assert status(port, "/healthz") == 0
