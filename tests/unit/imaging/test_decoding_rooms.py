"""Whose turn it is to decode."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fourpoint_core.errors import CancelledError
from fourpoint_worker.decoding_rooms import DecodingRooms
from fourpoint_worker.segmenter.embeddings.flights import Haste
from fourpoint_worker.segmenter.port import Urgency

SMALL, MIDDLE, LARGE = 10, 100, 1000
CAPACITIES = (20, 200)


class Somebody:
    """Who wants to decode, in a thread; `comes` until there is a turn, which lasts until `leaves`."""

    def __init__(self, rooms: DecodingRooms, bytes_needed: int, urgency: Urgency = Urgency.CLICK):
        self.haste = Haste(urgency)
        self.checkpoints = 0
        self.is_cancelled = False
        self.is_in = threading.Event()
        self._leaves = threading.Event()
        self._rooms, self._bytes_needed = rooms, bytes_needed

    def checkpoint(self, stage: str) -> None:
        assert stage == "image"
        self.checkpoints += 1
        if self.is_cancelled:
            raise CancelledError("cancelled")

    def comes(self, pool: ThreadPoolExecutor) -> "Somebody":
        self.visit = pool.submit(self._visit)
        return self

    def waits(self) -> "Somebody":
        """Return when it has been waiting for a while."""
        assert soon(lambda: self.checkpoints > 0)
        assert not self.is_in.is_set()
        return self

    def leaves(self) -> None:
        self._leaves.set()

    def gets_in(self) -> bool:
        return self.is_in.wait(30)

    def _visit(self) -> None:
        with self._rooms.turn(self._bytes_needed, self.haste, self.checkpoint):
            self.is_in.set()
            assert self._leaves.wait(30)


def soon(fact: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def rooms() -> DecodingRooms:
    return DecodingRooms(CAPACITIES)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_nothing_small_waits_for_anything_larger(rooms: DecodingRooms, pool: ThreadPoolExecutor) -> None:
    everybody = [Somebody(rooms, size).comes(pool) for size in (LARGE, MIDDLE, MIDDLE, SMALL, SMALL)]
    got_in = [somebody.gets_in() for somebody in everybody]
    for somebody in everybody:
        somebody.leaves()
    assert all(got_in)


@pytest.mark.parametrize(("size", "fit"), [(SMALL, 2), (MIDDLE, 2), (LARGE, 1)])
def test_no_more_is_decoded_at_once_than_there_is_room_for(
    rooms: DecodingRooms, pool: ThreadPoolExecutor, size: int, fit: int
) -> None:
    inside = [Somebody(rooms, size).comes(pool) for _ in range(fit)]
    assert all(somebody.gets_in() for somebody in inside)
    outside = Somebody(rooms, size).comes(pool).waits()
    for somebody in inside:
        somebody.leaves()
    assert outside.gets_in()
    outside.leaves()


def test_clicks_go_first(rooms: DecodingRooms, pool: ThreadPoolExecutor) -> None:
    inside = Somebody(rooms, LARGE, Urgency.BATCH).comes(pool)
    assert inside.gets_in()
    batch = Somebody(rooms, LARGE, Urgency.BATCH).comes(pool).waits()
    click = Somebody(rooms, LARGE).comes(pool).waits()
    inside.leaves()
    assert click.gets_in()
    batch.waits()
    click.leaves()
    assert batch.gets_in()
    batch.leaves()


def test_whatever_a_click_has_joined_goes_first(rooms: DecodingRooms, pool: ThreadPoolExecutor) -> None:
    inside = Somebody(rooms, LARGE).comes(pool)
    assert inside.gets_in()
    first = Somebody(rooms, LARGE, Urgency.BATCH).comes(pool).waits()
    joined = Somebody(rooms, LARGE, Urgency.BATCH).comes(pool).waits()
    joined.haste.hasten(Urgency.CLICK)
    inside.leaves()
    assert joined.gets_in()
    first.waits()
    for somebody in (joined, first):
        somebody.leaves()


def test_who_waits_passes_checkpoints_and_leaves_when_cancelled(
    rooms: DecodingRooms, pool: ThreadPoolExecutor
) -> None:
    inside = Somebody(rooms, LARGE).comes(pool)
    assert inside.gets_in()
    cancelled, other = (Somebody(rooms, LARGE).comes(pool).waits() for _ in range(2))
    before = cancelled.checkpoints
    assert soon(lambda: cancelled.checkpoints > before + 1)
    cancelled.is_cancelled = True
    assert isinstance(cancelled.visit.exception(30), CancelledError)
    inside.leaves()
    assert other.gets_in()
    other.leaves()
