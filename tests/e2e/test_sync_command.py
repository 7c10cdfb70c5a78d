"""`fourpoint sync` as people use it in a terminal, against a running system."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from tests.http_client import JSON, Client

from fourpoint_standalone.stack import Stack

pytestmark = pytest.mark.xdist_group("e2e")
FOURPOINT = Path(sys.executable).with_name("fourpoint")


def photo(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), (number, 7, 9)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(stack: Stack) -> Path:
    """A folder of the bucket with two photos."""
    made = stack.object_directory / f"sync-{uuid4()}"
    made.mkdir()
    for number in range(2):
        (made / f"{number}.png").write_bytes(photo(number))
    return made


@pytest.fixture
def dataset(client: Client, stack: Stack, folder: Path) -> JSON:
    """A dataset on that folder, before it has been asked to be synchronised again."""
    answer = client.http.post("/v1/datasets", json={"name": folder.name, "input_path": f"{folder.name}/"})
    made: JSON = answer.json()
    job = client.get(f"/v1/datasets/{made['id']}/sync")["job"]
    client.http.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=30"})
    return made


def in_a_terminal(stack: Stack, *arguments: str) -> tuple[int, str]:
    """Run `fourpoint` where a bar can move; its status, and all that it has drawn."""
    environment = {
        "FOURPOINT_URL": stack.base_url,
        "FOURPOINT_TOKEN": stack.admin_token,
        "TERM": "xterm",
        "COLUMNS": "100",
    }
    ours, theirs = pty.openpty()
    drawn = bytearray()
    with subprocess.Popen([FOURPOINT, *arguments], env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:
                break
            if not data:
                break
            drawn += data
    os.close(ours)
    return process.returncode, drawn.decode(errors="replace")


def test_a_folder_is_synchronised_with_a_bar_that_moves(stack: Stack, dataset: JSON, folder: Path) -> None:
    (folder / "0.png").unlink()
    (folder / "2.png").write_bytes(photo(2))
    status, drawn = in_a_terminal(stack, "sync", dataset["name"], "--dry-run")
    assert status == 0 and "added" in drawn and "missing" in drawn
    status, drawn = in_a_terminal(stack, "sync", dataset["name"])
    assert status == 0, drawn
    assert "waiting" in drawn and "━" in drawn
    assert "added" in drawn and "missing" in drawn and "unchanged" in drawn
    status, drawn = in_a_terminal(stack, "sync", dataset["name"])
    assert status == 0 and "still_missing 1" in drawn, drawn


def test_a_dataset_that_is_not_there_is_named(stack: Stack) -> None:
    status, drawn = in_a_terminal(stack, "sync", "no such dataset")
    assert status == 1 and "There is no dataset named 'no such dataset'" in drawn
