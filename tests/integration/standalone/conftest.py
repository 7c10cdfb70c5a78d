"""Directories for servers that run in this test alone, and a look at which processes use them."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fourpoint_standalone import postgres

LAUNCHER = Path(__file__).with_name("launcher.py")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path that PostgreSQL's own user may pass through when the tests run as root."""
    with temporary_directory(0o711) as made:
        yield made


@contextlib.contextmanager
def temporary_directory(mode: int) -> Iterator[Path]:
    """A new directory in a short path, removed afterwards with the clusters that belong to it."""
    made = Path(tempfile.mkdtemp(prefix="fourpoint-test-"))
    made.chmod(mode)
    try:
        yield made
    finally:
        for cluster in made.rglob("postgres"):
            postgres.remove_data(cluster)
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def launch() -> Iterator[Callable[[str, Path], subprocess.Popen[str]]]:
    """Start a server from another process, which can then be killed."""
    launchers = []

    def start(kind: str, directory: Path) -> subprocess.Popen[str]:
        command = [sys.executable, str(LAUNCHER), kind, str(directory)]
        launcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        launchers.append(launcher)
        assert launcher.stdout is not None
        assert launcher.stdout.readline().strip().isdigit()
        return launcher

    yield start
    for launcher in launchers:
        launcher.kill()
        launcher.communicate()


def processes_in(directory: Path) -> dict[int, str]:
    """Who works in the directory, or was started with its path: command lines by process id."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            inside = (entry / "cwd").readlink().is_relative_to(directory)
            if (inside or str(directory) in command) and int(entry.name) != os.getpid():
                found[int(entry.name)] = command
    return found


def eventually(happens: Callable[[], object], seconds: float = 120.0) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
