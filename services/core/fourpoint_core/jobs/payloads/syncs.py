"""Synchronising a dataset with its input path."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID


class Cause(StrEnum):
    """Who wanted a synchronisation."""

    REQUEST = "request"
    CREATION = "creation"
    SCHEDULE = "schedule"
    NOTIFICATION = "notification"


class Phase(StrEnum):
    """The stages of a synchronisation, in their order."""

    LISTING = "listing"
    RENAMES = "renames"
    IMAGES = "images"
    SIDECARS = "sidecars"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SyncDataset:
    """Have a dataset say what its bucket says. dry_run: only find out what would change."""

    dataset_id: UUID
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {"dataset_id": str(self.dataset_id), "dry_run": self.dry_run}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(UUID(document["dataset_id"]), bool(document["dry_run"]))
