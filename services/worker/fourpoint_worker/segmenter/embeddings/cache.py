"""An embedding from the nearest place that has it, made once where no place has."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from fourpoint_worker.segmenter.embeddings.entries import Packed
from fourpoint_worker.segmenter.embeddings.flights import Flights, Haste
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.memory import MemoryTier
from fourpoint_worker.segmenter.embeddings.reservations import Reservation, Reservations
from fourpoint_worker.segmenter.embeddings.shared import SharedTier
from fourpoint_worker.segmenter.port import Checkpoint, Urgency

T = TypeVar("T")

logger = logging.getLogger(__name__)
_LOOK_AGAIN_SECONDS = 0.02
_WRITES_WAITING = 16


class Source(StrEnum):
    """Where an embedding came from."""

    MEMORY = "memory"
    SHARED = "shared"
    AWAITED = "awaited"
    MADE = "made"


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How an engine's embeddings go to main memory and back, and what they weigh.

    unpack raises ValueError for one that does not fit the engine.
    """

    pack: Callable[[T], Packed]
    unpack: Callable[[Packed], T]
    size_bytes: Callable[[T], int]


class EmbeddingCache(Generic[T]):
    """Device memory, then the shared place, then the engine; single flight before each.

    shared: None keeps embeddings in this process only. observe: told where each one came from.
    """

    def __init__(
        self,
        codec: Codec[T],
        memory_bytes: int,
        shared: SharedTier | None,
        observe: Callable[[Source], None] = lambda source: None,
    ):
        self._codec = codec
        self._memory: MemoryTier[T] = MemoryTier(memory_bytes)
        self._shared = shared
        self._observe = observe
        self._flights = Flights()
        self._writes: queue.Queue[tuple[Reservation, T] | None] = queue.Queue(_WRITES_WAITING)
        self._reservations: Reservations | None = None
        if shared is not None:
            self._reservations = Reservations(shared.shelf)
            self._writer = threading.Thread(
                target=self._write_for_ever, args=(shared, self._reservations), name="embeddings", daemon=True
            )
            self._writer.start()

    def get(
        self, key: EmbeddingKey, make: Callable[[Haste], T], urgency: Urgency, checkpoint: Checkpoint
    ) -> tuple[T, Source]:
        """The embedding, and where it came from.

        make: called at most once at a time for a key, with a haste that may grow while it runs.
        Raises what `make` and `checkpoint` raise.
        """
        waited = False
        while True:
            found = self._memory.find(key)
            if found is not None:
                return self._told(found, Source.AWAITED if waited else Source.MEMORY)
            with self._flights.lead_or_wait(key, urgency, checkpoint) as haste:
                waited = haste is None
                if haste is not None:
                    # Whoever had this turn before us may have made it.
                    found = self._memory.find(key)
                    if found is not None:
                        return self._told(found, Source.AWAITED)
                    return self._told(*self._fetch(key, make, haste, checkpoint))

    def settle(self) -> None:
        """Wait until what was made is where others find it."""
        self._writes.join()

    def close(self) -> None:
        """End, when all is written."""
        if self._reservations is None:
            return
        self._writes.put(None)
        self._writer.join(timeout=10)
        self._reservations.close()

    def _told(self, value: T, source: Source) -> tuple[T, Source]:
        self._observe(source)
        return value, source

    def _fetch(
        self, key: EmbeddingKey, make: Callable[[Haste], T], haste: Haste, checkpoint: Checkpoint
    ) -> tuple[T, Source]:
        if self._reservations is None:
            return self._make(key, make, haste), Source.MADE
        while True:
            found = self._look(key)
            if found is not None:
                return found, Source.SHARED
            reservation = self._reservations.take(key, haste)
            if reservation is not None:
                return self._fetch_reserved(self._reservations, reservation, make)
            checkpoint("embedding")
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _fetch_reserved(
        self, reservations: Reservations, reservation: Reservation, make: Callable[[Haste], T]
    ) -> tuple[T, Source]:
        key = reservation.key
        with ExitStack() as otherwise:
            otherwise.callback(reservations.give_back, reservation)
            # Whoever made it before us may have ended between our look and our word.
            found = self._look(key) if reservation.is_known else None
            if found is not None:
                return found, Source.SHARED
            value = self._make(key, make, reservation.haste)
            try:
                self._writes.put_nowait((reservation, value))
            except queue.Full:
                # Nobody waits for the shared place to have it; where it cannot follow, it misses some.
                return value, Source.MADE
            # It is the writer's to give back.
            otherwise.pop_all()
            return value, Source.MADE

    def _make(self, key: EmbeddingKey, make: Callable[[Haste], T], haste: Haste) -> T:
        value = make(haste)
        self._memory.keep(key, value, self._codec.size_bytes(value))
        return value

    def _look(self, key: EmbeddingKey) -> T | None:
        if self._shared is None:
            return None
        packed = self._shared.find(key)
        if packed is None:
            return None
        try:
            value = self._codec.unpack(packed)
        except ValueError as error:
            logger.warning("an embedding does not fit the model", extra={"reason": str(error)})
            self._shared.shelf.forget(key)
            return None
        self._memory.keep(key, value, self._codec.size_bytes(value))
        return value

    def _write_for_ever(self, shared: SharedTier, reservations: Reservations) -> None:
        while (item := self._writes.get()) is not None:
            reservation, value = item
            try:
                shared.keep(reservation.key, self._codec.pack(value))
            except Exception:
                # Others then make it themselves; this thread has to go on.
                logger.exception("an embedding was not shared")
            finally:
                reservations.give_back(reservation)
                self._writes.task_done()
