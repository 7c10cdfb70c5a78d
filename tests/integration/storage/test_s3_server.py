"""The server of the tests leaves nothing behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.s3_server import REPOSITORY, running_s3

PARENT = """
from tests.s3_server import running_s3
with running_s3() as server:
    print(server.process.pid, server.data_directory, flush=True)
    input()
"""


def alive(process_id: int | str) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_server_ends_with_its_block():
    with running_s3() as server:
        directory = server.data_directory
        assert directory.exists()
    assert server.process.returncode == 0
    assert not directory.exists()


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_its_parent_however_that_ends(by):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    server_id, directory = parent.stdout.readline().split()
    assert alive(server_id)
    assert Path(directory).exists()
    parent.send_signal(by)
    parent.communicate()
    deadline = time.monotonic() + 120
    while alive(server_id) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(server_id)
    assert not Path(directory).exists()
