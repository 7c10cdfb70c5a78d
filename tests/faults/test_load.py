"""The program that measures load, for half a minute: what it reads back afterwards is the test."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]


def test_twenty_people_lose_nothing_while_workers_are_killed_and_redis_is_restarted() -> None:
    options = "--labelers 20 --pace 4 --seconds 30 --faults --kill-every 12 --redis-every 10"
    command = [sys.executable, "benchmarks/load.py", *options.split()]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "| inference worker killed | 2 |" in run.stdout
    assert "| Redis restarted | 3 |" in run.stdout
