"""Whether this process is about to end, which it says before it does, so that nobody sends it more.

A load balancer goes by `/healthz`. On SIGTERM a process says there that it leaves, goes on serving for
FOURPOINT_DRAIN_SECONDS, and only then takes no more connections: none is lost that was on its way.
"""

import threading

_leaving = threading.Event()


def begin() -> None:
    """Say from now on that this process leaves."""
    _leaving.set()


def has_begun() -> bool:
    """Whether this process has been told to end."""
    return _leaving.is_set()
