"""The place that all workers share. Whatever happens to it costs time, never an answer."""

import logging
from enum import Enum, auto
from typing import Protocol

from fourpoint_worker.segmenter.embeddings.entries import Packed, UnusableEntryError, read_entry, write_entry
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.port import Urgency

logger = logging.getLogger(__name__)


class Turn(Enum):
    """Who is to make an embedding; where nobody can be asked, whoever wants it."""

    MINE = auto()
    THEIRS = auto()
    UNKNOWN = auto()


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

    def reserve(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> Turn:
        """Say that the token's owner makes it. Theirs where another one does, and no less urgently."""

    def renew(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> None:
        """Say so for longer, where it still is the token's owner who makes it."""

    def release(self, key: EmbeddingKey, token: str) -> None:
        """Say that the token's owner does not make it any more; what others have said stays."""


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
        """Keep it for others."""
        self.shelf.keep(key, write_entry(key, packed))
