"""Room for requests that wait, and each caller's share of it."""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from statistics import median
from uuid import UUID

from fourpoint_api.web.measuring import request_metrics
from fourpoint_api.web.problems import RETRY_AFTER_SECONDS, TooBusyError

# Whoever comes again later than this sits before what has long been done.
LONGEST_PAUSE_SECONDS = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Seat:
    who: UUID | None
    is_stream: bool
    since: float


class Seats:
    """For the requests of a process that wait: fewer than its threads, so that waiting starves nobody.

    One caller has half of them at most, or a single token could send everybody else away. Event streams have
    half of them at most, for they stay for minutes; and of these again one caller has half.
    """

    def __init__(self, count: int):
        self._count = count
        self._lock = threading.Lock()
        self._taken: set[_Seat] = set()

    @contextmanager
    def taken(self, who: UUID | None = None, *, is_stream: bool = False) -> Iterator[None]:
        """Sit down. Raises TooBusyError where no seat is free.

        who: has a share; None: somebody who cannot be told from others, and sits wherever there is room.
        """
        seat = _Seat(who, is_stream, time.monotonic())
        with self._lock:
            self._require_room(seat)
            self._taken.add(seat)
        request_metrics().waiting.inc()
        try:
            yield
        finally:
            request_metrics().waiting.dec()
            with self._lock:
                self._taken.remove(seat)

    def _require_room(self, wanted: _Seat) -> None:
        half = _half(self._count)
        streams = [seat for seat in self._taken if seat.is_stream]
        _require(self._taken, self._count, "requests wait")
        if wanted.is_stream:
            _require(streams, half, "event streams are open")
        if wanted.who is None:
            return
        _require([seat for seat in self._taken if seat.who == wanted.who], half, "requests of yours wait")
        if wanted.is_stream:
            own = [seat for seat in streams if seat.who == wanted.who]
            _require(own, _half(half), "event streams of yours are open")


def _half(count: int) -> int:
    return (count + 1) // 2


def _require(taken: Collection[_Seat], count: int, what: str) -> None:
    if len(taken) >= count:
        raise TooBusyError(f"Too many {what} already; poll the job instead.", _pause_seconds(taken))


def _pause_seconds(taken: Collection[_Seat]) -> int:
    """When to come again: after as long as half of those who wait have waited.

    Hundreds who come again every two seconds while answers take half a minute would keep the service from
    its work.
    """
    now = time.monotonic()
    waited = median(now - seat.since for seat in taken)
    return min(LONGEST_PAUSE_SECONDS, max(RETRY_AFTER_SECONDS, ceil(waited)))
