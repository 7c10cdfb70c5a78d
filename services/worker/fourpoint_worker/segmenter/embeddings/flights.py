"""Of several who want the same thing one makes it, and the others wait: within a process."""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fourpoint_worker.segmenter.port import Checkpoint, Urgency

_TICK_SECONDS = 0.2


class Haste:
    """How urgent something is by now: as urgent as the most urgent of those who wait for it."""

    def __init__(self, urgency: Urgency):
        self.urgency = urgency

    def hasten(self, urgency: Urgency) -> None:
        """Somebody else waits for it, too."""
        self.urgency = min(self.urgency, urgency)


@dataclass(eq=False)
class Flight:
    """Something in the making."""

    haste: Haste
    landed: threading.Event = field(default_factory=threading.Event)


class Flights:
    """Who makes what right now. stage: what a job is in while it waits."""

    def __init__(self, stage: str = "embedding") -> None:
        self._stage = stage
        self._in_the_air: dict[Hashable, Flight] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lead_or_wait(self, key: Hashable, urgency: Urgency, checkpoint: Checkpoint) -> Iterator[Haste | None]:
        """Enter as the one who makes it, with the haste that others may add to; or wait, and enter with None.

        After waiting, look again whether it is there: whoever made it may have failed, or been cancelled.
        Raises what `checkpoint` raises.
        """
        with self._lock:
            flight = self._in_the_air.get(key)
            mine = flight is None
            if flight is None:
                flight = self._in_the_air[key] = Flight(Haste(urgency))
            else:
                flight.haste.hasten(urgency)
        if not mine:
            while not flight.landed.wait(_TICK_SECONDS):
                checkpoint(self._stage)
            yield None
            return
        try:
            yield flight.haste
        finally:
            with self._lock:
                del self._in_the_air[key]
            flight.landed.set()
