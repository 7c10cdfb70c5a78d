"""Waiting for a process: ready, ended, or neither in time; and where servers listen."""

import socket
from typing import cast

import pytest

from fourpoint_standalone.processes import Process, StandaloneError, free_port, wait_until


class Ending:
    """A process that still runs when it is first looked at, and has ended well at every later look."""

    def __init__(self) -> None:
        self._looks = 0

    def poll(self) -> int | None:
        self._looks += 1
        return None if self._looks == 1 else 0


def never() -> bool:
    return False


@pytest.mark.parametrize("looks_before", [0, 1, 2])
def test_a_process_that_becomes_ready_by_ending_is_ready_whenever_it_ends(looks_before):
    process = cast("Process", Ending())
    for _ in range(looks_before):
        process.poll()

    wait_until(lambda: process.poll() == 0, seconds=5, process=process, failure=lambda: "failed")


def test_waiting_ends_with_the_process():
    process = cast("Process", Ending())

    with pytest.raises(StandaloneError, match="the reason from its log"):
        wait_until(never, seconds=60, process=process, failure=lambda: "the reason from its log")


def test_waiting_ends_in_time():
    with pytest.raises(StandaloneError, match="too late"):
        wait_until(never, seconds=0, failure=lambda: "too late")


def test_a_free_port_is_none_that_the_system_gives_to_whoever_wants_any():
    with socket.create_server(("127.0.0.1", 0)) as given:
        assert free_port() < given.getsockname()[1]
