"""An embedding from the nearest place that has it, made once where no place has."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from fourpoint_worker.segmenter.embeddings.entries import Packed
from fourpoint_worker.segmenter.embeddings.flights import Flights, Haste
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.memory import MemoryTier
from fourpoint_worker.segmenter.embeddings.shared import SharedTier
from fourpoint_worker.segmenter.port import Checkpoint, Urgency

T = TypeVar("T")

logger = logging.getLogger(__name__)
_LOOK_AGAIN_SECONDS = 0.02
# Another worker that is at it is waited for four times as long as it took here, within these bounds.
_SHORTEST_TRUST_SECONDS, _LONGEST_TRUST_SECONDS, _TRUST = 1.0, 30.0, 4.0
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
        self._seconds_to_make = _SHORTEST_TRUST_SECONDS
        self._writes: queue.Queue[tuple[EmbeddingKey, T] | None] = queue.Queue(_WRITES_WAITING)
        self._writer = threading.Thread(target=self._write_for_ever, name="embeddings", daemon=True)
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
        self._writes.put(None)
        self._writer.join(timeout=10)

    def _told(self, value: T, source: Source) -> tuple[T, Source]:
        self._observe(source)
        return value, source

    def _fetch(
        self, key: EmbeddingKey, make: Callable[[Haste], T], haste: Haste, checkpoint: Checkpoint
    ) -> tuple[T, Source]:
        found = self._from_shared(key, checkpoint)
        if found is not None:
            return found, Source.SHARED
        began = time.monotonic()
        try:
            value = make(haste)
        except BaseException:
            if self._shared is not None:
                self._shared.shelf.release(key)
            raise
        self._seconds_to_make = (self._seconds_to_make + time.monotonic() - began) / 2
        self._memory.keep(key, value, self._codec.size_bytes(value))
        self._write_later(key, value)
        return value, Source.MADE

    def _from_shared(self, key: EmbeddingKey, checkpoint: Checkpoint) -> T | None:
        """What the shared place has; None where this process is to make it."""
        if self._shared is None:
            return None
        shelf = self._shared.shelf
        found = self._look(key)
        if found is not None or shelf.reserve(key, self._trust_seconds):
            return found
        give_up_at = time.monotonic() + self._trust_seconds
        while shelf.is_reserved(key) and time.monotonic() < give_up_at:
            checkpoint("embedding")
            time.sleep(_LOOK_AGAIN_SECONDS)
        return self._look(key)

    @property
    def _trust_seconds(self) -> float:
        return min(_LONGEST_TRUST_SECONDS, max(_SHORTEST_TRUST_SECONDS, _TRUST * self._seconds_to_make))

    def _look(self, key: EmbeddingKey) -> T | None:
        packed = None if self._shared is None else self._shared.find(key)
        if packed is None:
            return None
        try:
            value = self._codec.unpack(packed)
        except ValueError as error:
            logger.warning("an embedding does not fit the model", extra={"reason": str(error)})
            return None
        self._memory.keep(key, value, self._codec.size_bytes(value))
        return value

    def _write_later(self, key: EmbeddingKey, value: T) -> None:
        """Nobody waits for the shared place to have it; where it cannot follow, it misses some."""
        if self._shared is None:
            return
        try:
            self._writes.put_nowait((key, value))
        except queue.Full:
            self._shared.shelf.release(key)

    def _write_for_ever(self) -> None:
        while (item := self._writes.get()) is not None:
            key, value = item
            try:
                if self._shared is not None:
                    self._shared.keep(key, self._codec.pack(value))
            except Exception:
                # Others then make it themselves; this thread has to go on.
                logger.exception("an embedding was not shared")
            finally:
                self._writes.task_done()
