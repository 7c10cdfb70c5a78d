"""The whole system as an operator starts it: separate processes, HTTP in between."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http_client import Client

from fourpoint_standalone.stack import Stack, StackOptions, remove_data


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running system with empty data."""
    directory = Path(tempfile.mkdtemp(prefix="fourpoint-e2e-"))
    directory.chmod(0o711)
    with Stack(StackOptions(directory, api_port=0, io_processes=1)) as running:
        yield running
    remove_data(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def client(stack: Stack) -> Client:
    """Speaks HTTP to it."""
    return Client(stack.base_url, stack.admin_token)
