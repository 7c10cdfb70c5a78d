"""How long an engine's stages take."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What `work` gives, and the milliseconds that it took."""
    began = time.perf_counter()
    done = work()
    return done, (time.perf_counter() - began) * 1e3
