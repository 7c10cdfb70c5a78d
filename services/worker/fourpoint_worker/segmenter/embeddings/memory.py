"""The nearest place: the device's own memory, up to so many bytes, the longest unused going first."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey

T = TypeVar("T")


class MemoryTier(Generic[T]):
    """Embeddings as the engine uses them, by key."""

    def __init__(self, capacity_bytes: int):
        self._capacity_bytes = capacity_bytes
        self._kept: OrderedDict[EmbeddingKey, tuple[T, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def find(self, key: EmbeddingKey) -> T | None:
        """The embedding, which then is the last to go."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def keep(self, key: EmbeddingKey, value: T, size_bytes: int) -> None:
        """Keep it, unless it is larger than all there is room for."""
        if size_bytes > self._capacity_bytes:
            return
        with self._lock:
            _, before = self._kept.pop(key, (None, 0))
            self._kept[key] = (value, size_bytes)
            self._bytes += size_bytes - before
            while self._bytes > self._capacity_bytes:
                _, (_, size) = self._kept.popitem(last=False)
                self._bytes -= size

    @property
    def size_bytes(self) -> int:
        """What is kept now."""
        return self._bytes
