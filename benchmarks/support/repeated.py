"""Time an action again and again, for a while, alone or in turns with another."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Action = Callable[[], object]
_LEAST, _MOST = 2, 2000


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds of the middle, the quickest and the slowest repetition."""

    median: float
    quickest: float
    slowest: float


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of each repetition. The first counts only where it was so long that little else would fit."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """Seconds of the middle one."""
        return median(self.seconds)

    @property
    def spread(self) -> Spread:
        """The middle one, and the bounds."""
        return Spread(self.median, min(self.seconds), max(self.seconds))


def timed(action: Action, seconds: float) -> Timings:
    """Repeat for so many seconds, twice at least."""
    [timings] = _repeated([action], seconds)
    return timings


def in_turns(first: Action, second: Action, seconds: float) -> tuple[Timings, Timings]:
    """Repeat both, one after the other: what else happens on the machine meets both."""
    one, other = _repeated([first, second], 2 * seconds)
    return one, other


def _repeated(actions: list[Action], seconds: float) -> list[Timings]:
    found = [[first] if (first := _once(action)) > seconds else [] for action in actions]
    give_up_at = time.perf_counter() + seconds
    while min(map(len, found)) < _LEAST or (len(found[0]) < _MOST and time.perf_counter() < give_up_at):
        for action, taken in zip(actions, found, strict=True):
            taken.append(_once(action))
    return [Timings(taken) for taken in found]


def _once(action: Action) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
