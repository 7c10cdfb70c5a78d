"""The place that all workers share. Whatever happens to it costs time, never an answer."""

import logging
from typing import Protocol

from fourpoint_worker.segmenter.embeddings.entries import Packed, UnusableEntryError, read_entry, write_entry
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey

logger = logging.getLogger(__name__)


class Shelf(Protocol):
    """Entries as bytes, each for a while, and all of them within so many bytes. Safe to share by threads.

    A shelf that is away, or full, says so in the log: it finds nothing then, and keeps nothing.
    """

    name: str

    def find(self, key: EmbeddingKey) -> bytes | None:
        """The entry, which then is the last to go; None where there is none."""

    def keep(self, key: EmbeddingKey, entry: bytes) -> bool:
        """Keep it; whether that went well."""

    def forget(self, key: EmbeddingKey) -> None:
        """Remove it."""

    def reserve(self, key: EmbeddingKey, seconds: float) -> bool:
        """Say that this process is about to make it; whether nobody else has said so lately."""

    def is_reserved(self, key: EmbeddingKey) -> bool:
        """Whether somebody has said that, and it is not there yet."""

    def release(self, key: EmbeddingKey) -> None:
        """Say that it is there, or that nothing came of it."""


class SharedTier:
    """A shelf whose entries are looked at before they are used."""

    def __init__(self, shelf: Shelf):
        self.shelf = shelf

    def find(self, key: EmbeddingKey) -> Packed | None:
        """The embedding; an entry that is not what it should be is removed."""
        entry = self.shelf.find(key)
        if entry is None:
            return None
        try:
            return read_entry(key, entry)
        except UnusableEntryError as error:
            logger.warning("an embedding cannot be used; it is made again", extra={"reason": str(error)})
            self.shelf.forget(key)
            return None

    def keep(self, key: EmbeddingKey, packed: Packed) -> None:
        """Keep it for others; whoever waits for it is told."""
        self.shelf.keep(key, write_entry(key, packed))
        self.shelf.release(key)
