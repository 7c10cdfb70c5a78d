"""What is done to a running system while people work with it, and when."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from fourpoint_standalone.stack import INFERENCE, Stack

WORKER, BROKER = "inference worker killed", "Redis restarted"


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds between two faults of a kind; 0: never."""

    kill_every: float = 20.0
    redis_every: float = 60.0


class Faults:
    """A context manager: from its beginning to its end, things break.

    happened: when, on time.monotonic's clock, what was done. Every other restart of Redis is a crash.
    """

    def __init__(self, stack: Stack, plan: Plan):
        self._stack = stack
        self._stop = threading.Event()
        self.happened: list[tuple[float, str]] = []
        self._threads = [
            threading.Thread(target=self._repeat, args=(first, seconds, name, action), name=name)
            for first, seconds, name, action in (
                (plan.kill_every, plan.kill_every, WORKER, self._kill_worker),
                # Between two kills, so that what follows can be told apart.
                (plan.redis_every / 2, plan.redis_every, BROKER, self._restart_redis),
            )
            if seconds
        ]

    def __enter__(self) -> "Faults":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def count(self, name: str) -> int:
        """How often this was done."""
        return sum(what == name for _, what in self.happened)

    def _repeat(self, first: float, seconds: float, name: str, action: Callable[[], None]) -> None:
        began = time.monotonic()
        for moment in itertools.count(first, seconds):
            # By the clock, however long the one before has taken.
            if self._stop.wait(max(0.0, began + moment - time.monotonic())):
                return
            self.happened.append((time.monotonic(), name))
            action()

    def _kill_worker(self) -> None:
        self._stack.kill(INFERENCE)

    def _restart_redis(self) -> None:
        self._stack.restart_redis(kill=self.count(BROKER) % 2 == 0)
