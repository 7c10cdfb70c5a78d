"""`fourpoint sync` as people use it in a terminal, against a running system."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
from functools import partial
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


def in_a_terminal(stack: Stack, *arguments: str, interrupted_at: str = "") -> tuple[int, str]:
    """Run `fourpoint` where a bar can move; its status, and all that it has drawn.

    interrupted_at: what it draws before somebody presses Ctrl-C.
    """
    environment = {
        "FOURPOINT_URL": stack.base_url,
        "FOURPOINT_TOKEN": stack.admin_token,
        "TERM": "xterm",
        "COLUMNS": "160",
    }
    ours, theirs = pty.openpty()
    drawn = bytearray()
    with subprocess.Popen(
        [FOURPOINT, *arguments],
        env=environment,
        stdout=theirs,
        stderr=theirs,
        # Where several tests run at once, Ctrl-C is ignored, and children would inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        os.close(theirs)
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:
                break
            if not data:
                break
            drawn += data
            if interrupted_at and interrupted_at.encode() in drawn:
                interrupted_at = ""
                process.send_signal(signal.SIGINT)
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


def test_a_job_goes_on_when_the_command_is_interrupted(stack: Stack, client: Client, dataset: JSON) -> None:
    os.kill(stack.pids["io"], signal.SIGSTOP)
    try:
        status, drawn = in_a_terminal(stack, "sync", dataset["name"], interrupted_at="waiting")
    finally:
        os.kill(stack.pids["io"], signal.SIGCONT)
    assert status == 1 and "Aborted!" in drawn
    cancellation = re.search(r"The job goes on without you. To end it: POST (/v1/jobs/.*)/cancel", drawn)
    assert cancellation is not None, drawn
    job = client.http.get(cancellation[1], headers={"Prefer": "wait=30"}).json()
    assert job["state"] == "succeeded"


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--token=fpt_unknown", "Is the token in --token or FOURPOINT_TOKEN good?"),
        ("--token=fpt_\n", "Is the token in --token or FOURPOINT_TOKEN good?"),
        ("--token=fpt\nX-Other: header", "The token has characters that no token has."),
        ("--url=http://127.0.0.1:1", "http://127.0.0.1:1 cannot be reached: [Errno 111] Connection refused"),
        ("--url=127.0.0.1", "127.0.0.1 is no address"),
    ],
)
def test_what_keeps_it_from_speaking_to_the_service_is_a_sentence(
    stack: Stack, option: str, sentence: str
) -> None:
    status, drawn = in_a_terminal(stack, "sync", "any", option)
    assert status == 1
    assert sentence in drawn and "Traceback" not in drawn
