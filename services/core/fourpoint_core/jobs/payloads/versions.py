"""What the jobs of versions need to know."""

from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PublishVersion:
    """Write what a version holds, and make it public and current. Its row is there already.

    output_path: where another job then writes it as files of ModelArts; None: nowhere.
    """

    dataset_id: UUID
    version_id: UUID
    output_path: str | None = None

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "dataset_id": str(self.dataset_id),
            "version_id": str(self.version_id),
            "output_path": self.output_path,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(UUID(document["dataset_id"]), UUID(document["version_id"]), document.get("output_path"))


@dataclass(frozen=True, slots=True)
class SwitchVersion:
    """Make the working state that of a version; what it differs in from the current one is published first."""

    dataset_id: UUID
    version_id: UUID

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {"dataset_id": str(self.dataset_id), "version_id": str(self.version_id)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(UUID(document["dataset_id"]), UUID(document["version_id"]))
