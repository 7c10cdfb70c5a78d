"""Entries in the object store: slower than Redis, with as much room as one likes, and lasting."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from fourpoint_core.errors import ObjectMissingError, StorageUnavailableError
from fourpoint_core.storage import ObjectInfo, ObjectStore
from fourpoint_core.storage.derived import embedding_key, embeddings_prefix
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.shared import Turn
from fourpoint_worker.segmenter.port import Urgency

T = TypeVar("T")

logger = logging.getLogger(__name__)
# Listing costs a request per thousand objects, so it is not done at every write.
_TIDY_EVERY_SECONDS = 600.0
_CONTENT_TYPE = "application/octet-stream"


class ObjectShelf:
    """See shared.Shelf. An entry lasts for so many seconds from when it was written.

    What is too old, and the oldest of what is too much, is removed by whoever writes, now and then; so for a
    while there may be more than `capacity_bytes`. An object store has no locks: two workers may make the same
    embedding at once, and the last one's stays, which is the same.
    """

    name = "objects"

    def __init__(self, store: ObjectStore, capacity_bytes: int, ttl_seconds: int):
        self._store = store
        self._capacity_bytes = capacity_bytes
        self._ttl = timedelta(seconds=ttl_seconds)
        self._tidied_at = time.monotonic() - _TIDY_EVERY_SECONDS
        self._lock = threading.Lock()

    def find(self, key: EmbeddingKey) -> bytes | None:
        """See Shelf."""
        return self._try(lambda: self._find(_object_key(key)), None)

    def keep(self, key: EmbeddingKey, entry: bytes) -> bool:
        """See Shelf."""
        if len(entry) > self._capacity_bytes:
            return False
        put = self._try(lambda: self._store.put(_object_key(key), entry, content_type=_CONTENT_TYPE), None)
        if self._tidies():
            self._try(self.tidy, None)
        return put is not None

    def forget(self, key: EmbeddingKey) -> None:
        """See Shelf."""
        self._try(lambda: self._store.delete(_object_key(key)), None)

    def reserve(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> Turn:
        """See Shelf."""
        return Turn.UNKNOWN

    def renew(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> None:
        """See Shelf."""

    def release(self, key: EmbeddingKey, token: str) -> None:
        """See Shelf."""

    def tidy(self) -> None:
        """Remove what is too old, and the oldest of what is too much. Raises StorageUnavailableError."""
        found = sorted(self._store.list(embeddings_prefix()), key=lambda info: info.last_modified)
        total = sum(info.size for info in found)
        for info in found:
            if total <= self._capacity_bytes and not self._is_old(info):
                return
            self._store.delete(info.key)
            total -= info.size

    def _find(self, object_key: str) -> bytes | None:
        try:
            if self._is_old(self._store.stat(object_key)):
                return None
            return self._store.read(object_key)
        except ObjectMissingError:
            return None

    def _is_old(self, info: ObjectInfo) -> bool:
        return datetime.now(UTC) - info.last_modified > self._ttl

    def _tidies(self) -> bool:
        with self._lock:
            if time.monotonic() - self._tidied_at < _TIDY_EVERY_SECONDS:
                return False
            self._tidied_at = time.monotonic()
            return True

    def _try(self, step: Callable[[], T], otherwise: T) -> T:
        try:
            return step()
        except StorageUnavailableError as error:
            logger.warning("the object store keeps no embeddings at the moment", extra={"reason": error.detail})
            return otherwise


def _object_key(key: EmbeddingKey) -> str:
    return embedding_key(key.image_digest, key.model_digest, key.frame)
