"""`fourpoint versions` as people use it, against a running system."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from tests.http_client import JSON, Client, disc_photo

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")
FOURPOINT = Path(sys.executable).with_name("fourpoint")
Run = Callable[..., str]


@pytest.fixture
def dataset(client: Client) -> JSON:
    return client.create_dataset(f"versions {uuid4()}")


@pytest.fixture
def run(stack: Stack, dataset: JSON) -> Run:
    """Runs `fourpoint versions COMMAND DATASET …`; what it prints."""
    environment = {"FOURPOINT_URL": stack.base_url, "FOURPOINT_TOKEN": stack.admin_token}

    def do(command: str, *arguments: str) -> str:
        line = [FOURPOINT, "versions", command, dataset["name"], *arguments]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return do


def test_a_version_is_published_compared_made_current_deleted_and_restored(
    client: Client, dataset: JSON, run: Run
) -> None:
    client.upload(dataset["id"], ("one.png", disc_photo()))
    assert "V001: 1 images, 0 labeled, 0 objects" in run("publish")
    client.upload(dataset["id"], ("two.png", disc_photo(1)))
    assert "There are changes that are not published." in run("list")
    compared = run("compare")
    assert "samples: 1 added, 0 changed, 0 removed" in compared and "two.png" in compared
    assert "set aside 1" in run("set-current", "V001", "--dry-run")
    assert "What was not published is V002." in run("set-current", "V001")
    assert len(client.samples(dataset["id"])) == 1
    run("delete", "V002")
    assert "V002" in run("list", "--deleted") and "V002" not in run("list")
    run("restore", "V002")
    run("set-current", "V002")
    assert len(client.samples(dataset["id"])) == 2
