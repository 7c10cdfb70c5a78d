"""One system in containers for all tests of the deployment: each finds what the one before it left."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy import images
from tests.deploy.stack import Stack
from tests.http_client import Client


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """Where compose files and backups lie."""
    made = Path(tempfile.mkdtemp(prefix="fourpoint-deploy-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def built() -> str:
    """All images; the commit that the previous version is of."""
    images.require_tools()
    images.make_python_image()
    images.build_all()
    return images.build_previous()


@pytest.fixture(scope="session")
def stack(built: str, directory: Path) -> Iterator[Stack]:
    """The system, at the previous version first."""
    running = Stack("fourpoint-test", 18040, directory / "first", "previous")
    running.down()
    try:
        running.up()
        yield running
    finally:
        running.down()


@pytest.fixture(scope="session")
def token(stack: Stack) -> str:
    """An admin's."""
    return stack.make_admin()


@pytest.fixture(scope="session")
def client(stack: Stack, token: str) -> Client:
    """Speaks HTTP to it, from outside."""
    return Client(stack.url, token)
