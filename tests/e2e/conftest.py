"""The whole system as an operator starts it: separate processes, HTTP in between."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.http_client import Client
from tests.otlp_receiver import OtlpReceiver

from fourpoint_standalone.processes import free_port
from fourpoint_standalone.stack import Stack, StackOptions, remove_data


def two_free_ports() -> int:
    """The first of two, side by side."""
    while True:
        port = free_port()
        with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


@pytest.fixture(scope="session")
def metrics_port() -> int:
    """Where inference serves its numbers; background work takes the next."""
    return two_free_ports()


@pytest.fixture(scope="session")
def receiver() -> Iterator[OtlpReceiver]:
    """Where the system sends its spans."""
    with OtlpReceiver() as running:
        yield running


@pytest.fixture(scope="session")
def stack(metrics_port: int, receiver: OtlpReceiver) -> Iterator[Stack]:
    """A running system with empty data."""
    directory = Path(tempfile.mkdtemp(prefix="fourpoint-e2e-"))
    directory.chmod(0o711)
    environment = {"FOURPOINT_METRICS_BIND": f"127.0.0.1:{metrics_port}", **receiver.variables}
    with Stack(StackOptions(directory, api_port=0, io_processes=1, environment=environment)) as running:
        yield running
    remove_data(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def client(stack: Stack) -> Client:
    """Speaks HTTP to it."""
    return Client(stack.base_url, stack.admin_token)
