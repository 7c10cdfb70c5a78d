"""Payloads of exports and imports."""

from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from fourpoint_core.domain.transfers import ExportOrder, ImportOrder


@dataclass(frozen=True, slots=True)
class ExportDataset:
    """Write samples and their annotations in a format, into an archive or to the bucket."""

    dataset_id: UUID
    order: ExportOrder

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {"dataset_id": str(self.dataset_id), "order": self.order.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(UUID(document["dataset_id"]), ExportOrder.from_json(document["order"]))


@dataclass(frozen=True, slots=True)
class ImportDataset:
    """Read images and annotations of a format, from the bucket or from an upload."""

    dataset_id: UUID
    order: ImportOrder

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {"dataset_id": str(self.dataset_id), "order": self.order.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(UUID(document["dataset_id"]), ImportOrder.from_json(document["order"]))
