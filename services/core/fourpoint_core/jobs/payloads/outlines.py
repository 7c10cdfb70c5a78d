"""Outlines drawn in bulk, and what people say to them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from fourpoint_core.domain.deletion import Selection, selection_from_json, selection_to_json


class Verdict(StrEnum):
    """What somebody says to an outline that a batch has drawn."""

    CONFIRM = "confirm"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class PreLabel:
    """Draw the outlines of annotations again that carry clicks or a box, for somebody to confirm.

    edited: whether outlines that a person has changed since they were inferred are drawn again, too.
    """

    dataset_id: UUID
    selection: Selection
    edited: bool

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "dataset_id": str(self.dataset_id),
            "selection": selection_to_json(self.selection),
            "edited": self.edited,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(
            UUID(document["dataset_id"]),
            selection_from_json(document["selection"]),
            bool(document["edited"]),
        )


@dataclass(frozen=True, slots=True)
class ReviewOutlines:
    """Confirm or reject the outlines of the selected samples that wait for it."""

    dataset_id: UUID
    selection: Selection
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """See Payload."""
        return {
            "dataset_id": str(self.dataset_id),
            "selection": selection_to_json(self.selection),
            "verdict": self.verdict.value,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """See Payload."""
        return cls(
            UUID(document["dataset_id"]),
            selection_from_json(document["selection"]),
            Verdict(document["verdict"]),
        )
