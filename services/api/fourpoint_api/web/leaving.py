"""Whether this process is about to end, which it says before it does, so that nobody sends it more.

A load balancer goes by `/healthz`. On SIGTERM a process says there that it leaves, goes on serving for
FOURPOINT_DRAIN_SECONDS, and only then takes no more connections: none is lost that was on its way. Whoever
waits then has a few seconds more, in which most jobs end, and is answered as things stand: a stop is to take no
half minute, and an event stream would hold it up for ten.
"""

import threading
import time

LAST_SECONDS = 5.0
_leaving = threading.Event()
_closed_at: float | None = None


def begin() -> None:
    """Say from now on that this process leaves."""
    _leaving.set()


def has_begun() -> bool:
    """Whether this process has been told to end."""
    return _leaving.is_set()


def close() -> None:
    """This process takes no more connections."""
    global _closed_at  # noqa: PLW0603 - a process ends once
    begin()
    _closed_at = time.monotonic()


def time_is_up() -> bool:
    """Whether those who wait are to be answered as things stand."""
    return _closed_at is not None and time.monotonic() >= _closed_at + LAST_SECONDS
