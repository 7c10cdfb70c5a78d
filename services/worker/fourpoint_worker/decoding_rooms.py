"""Who decodes right now: clicks first, and only as much at once as memory was set aside for."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fourpoint_worker.segmenter.embeddings.flights import Haste
from fourpoint_worker.segmenter.port import Checkpoint

_MEBIBYTE = 2**20
_TICK_SECONDS = 0.2


@dataclass(eq=False)
class _Turn:
    """Somebody's, in hand or waited for."""

    haste: Haste
    bytes_needed: int
    number: int


class DecodingRooms:
    """Rooms by the size of what is decoded, so that nothing small ever waits for anything large.

    capacities: bytes that are decoded at once in each room, ascending. An image goes into the first room that
    can hold it; behind the last lies one for the largest, which are decoded one at a time.
    """

    def __init__(self, capacities: tuple[int, ...] = (32 * _MEBIBYTE, 256 * _MEBIBYTE)):
        self._rooms = [(capacity, _Room(capacity)) for capacity in capacities]
        self._largest = _Room(0)

    @contextmanager
    def turn(self, bytes_needed: int, haste: Haste, checkpoint: Checkpoint) -> Iterator[None]:
        """Wait for a turn and have it, inside the job's stage `image`. Raises what `checkpoint` raises."""
        room = next((room for capacity, room in self._rooms if bytes_needed <= capacity), self._largest)
        with room.turn(bytes_needed, haste, checkpoint):
            yield


class _Room:
    """What needs more than there is gets in alone."""

    def __init__(self, capacity: int):
        self._capacity = capacity
        self._in_hand: list[_Turn] = []
        self._waiting: list[_Turn] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, bytes_needed: int, haste: Haste, checkpoint: Checkpoint) -> Iterator[None]:
        """See DecodingRooms."""
        turn = _Turn(haste, bytes_needed, next(self._numbers))
        self._take(turn, checkpoint)
        try:
            # It begins here: what went before was spent waiting.
            checkpoint("image")
            yield
        finally:
            with self._changed:
                self._in_hand.remove(turn)
                self._changed.notify_all()

    def _take(self, turn: _Turn, checkpoint: Checkpoint) -> None:
        with self._changed:
            self._waiting.append(turn)
        try:
            while not self._taken(turn):
                # A waiter is no stage that hangs, and hears that it was cancelled.
                checkpoint("image")
        except BaseException:
            with self._changed:
                self._waiting.remove(turn)
                self._changed.notify_all()
            raise

    def _taken(self, turn: _Turn) -> bool:
        """Whether it is in hand now, within a tick."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_next(turn), _TICK_SECONDS):
                return False
            self._waiting.remove(turn)
            self._in_hand.append(turn)
            # There may be room for the one behind it, too.
            self._changed.notify_all()
            return True

    def _is_next(self, turn: _Turn) -> bool:
        # Nobody passes the first, or what is large would wait for ever.
        first = min(self._waiting, key=lambda waiting: (waiting.haste.urgency, waiting.number))
        taken = sum(other.bytes_needed for other in self._in_hand)
        return turn is first and (not taken or taken + turn.bytes_needed <= self._capacity)
