"""What an annotation says, before it becomes a row."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from fourpoint_core.domain.geometry import Contour


class Method(StrEnum):
    """How an outline came about."""

    POLYGON = "polygon"
    EXTREME_POINTS = "extreme_points"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an inferred outline comes from; taken from the server's record, never from a client."""

    contour_id: UUID
    prompt: dict[str, Any]
    engine: str
    model_digest: str
    score: float

    @property
    def method(self) -> Method:
        """A contour drawn from four points is known as such; any other prompt counts as a polygon."""
        return Method.EXTREME_POINTS if "points" in self.prompt else Method.POLYGON


@dataclass(frozen=True, slots=True)
class NewAnnotation:
    """One object to be added to a sample; the contour has been validated against its image."""

    id: UUID
    label_id: UUID
    contour: Contour
    provenance: Provenance | None = None

    @property
    def method(self) -> Method:
        """See Method."""
        return Method.POLYGON if self.provenance is None else self.provenance.method
