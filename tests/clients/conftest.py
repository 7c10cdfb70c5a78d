"""A running system, and npm in the client's folder."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.conftest import metrics_port, receiver, stack  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "clients" / "typescript"
Npm = Callable[..., str]


@pytest.fixture(scope="session")
def npm() -> Npm:
    """Runs a script of the TypeScript client, with variables of one's own, and returns what it printed."""

    def run(script: str, **variables: str) -> str:
        node = ROOT / ".venv-node" / "bin"
        done = subprocess.run(
            ["npm", "run", "--silent", script],
            cwd=TYPESCRIPT,
            env={**os.environ, "PATH": f"{node}:{os.environ['PATH']}", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
