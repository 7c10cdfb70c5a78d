"""What an annotation says, before it becomes a row, and how much a document may hold."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from fourpoint_core.domain.geometry import Contour, contour_to_json
from fourpoint_core.domain.text import is_text
from fourpoint_core.errors import InvalidInputError

MAX_ANNOTATIONS = 5000
# A document is read, sent and drawn as a whole.
MAX_DOCUMENT_VERTICES = 200_000
MAX_ATTRIBUTE_BYTES = 8192
MAX_ATTRIBUTE_DEPTH = 8
MAX_Z_ORDER = 1_000_000


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
class Traits:
    """What is said of an object besides its outline and label.

    attributes: the project's own, a JSON object. z_order: larger is nearer to the viewer.
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    visible: bool = True
    z_order: int = 0
    difficult: bool = False
    occluded: bool = False
    truncated: bool = False


TRAITS = ("attributes", "visible", "z_order", "difficult", "occluded", "truncated")


@dataclass(frozen=True, slots=True)
class Content:
    """All that a revision keeps of one object, as rows have it; see `store.models.Annotation`."""

    id: UUID
    label_id: UUID
    contour: dict[str, Any]
    bounding_box: list[float]
    area: float
    vertex_count: int
    method: str
    prompt: dict[str, Any] | None
    contour_id: UUID | None
    engine: str | None
    model_digest: str | None
    score: float | None
    attributes: dict[str, Any]
    visible: bool
    z_order: int
    difficult: bool
    occluded: bool
    truncated: bool
    unconfirmed: bool = False

    def with_contour(self, contour: Contour) -> "Content":
        """The same object with another outline, which has been validated; the clicks stay on record.

        Whoever draws it has seen it: where a batch does, it says so itself.
        """
        return replace(
            self,
            unconfirmed=False,
            contour=contour_to_json(contour),
            bounding_box=contour.bounding_box.as_list(),
            area=contour.area,
            vertex_count=contour.vertex_count,
        )

    def with_provenance(self, provenance: Provenance) -> "Content":
        """The same object, its outline's origin taken from the server's record."""
        return replace(
            self,
            method=provenance.method.value,
            prompt=provenance.prompt,
            contour_id=provenance.contour_id,
            engine=provenance.engine,
            model_digest=provenance.model_digest,
            score=provenance.score,
        )


@dataclass(frozen=True, slots=True)
class NewAnnotation:
    """One object to be added to a sample; the contour has been validated against its image."""

    id: UUID
    label_id: UUID
    contour: Contour
    provenance: Provenance | None = None
    traits: Traits = Traits()

    @property
    def method(self) -> Method:
        """See Method."""
        return Method.POLYGON if self.provenance is None else self.provenance.method

    @property
    def content(self) -> Content:
        """As rows have it."""
        provenance = self.provenance
        return Content(
            id=self.id,
            label_id=self.label_id,
            contour=contour_to_json(self.contour),
            bounding_box=self.contour.bounding_box.as_list(),
            area=self.contour.area,
            vertex_count=self.contour.vertex_count,
            method=self.method.value,
            prompt=None if provenance is None else provenance.prompt,
            contour_id=None if provenance is None else provenance.contour_id,
            engine=None if provenance is None else provenance.engine,
            model_digest=None if provenance is None else provenance.model_digest,
            score=None if provenance is None else provenance.score,
            **{name: getattr(self.traits, name) for name in TRAITS},
        )


def check_attributes(attributes: dict[str, Any], pointer: str = "/attributes") -> None:
    """Refuse attributes that no row should carry: too large, too deep, with numbers or strings that are none.

    Raises InvalidInputError.
    """
    if any(isinstance(value, float) and not math.isfinite(value) for _, value in _leaves(attributes)):
        raise InvalidInputError.at(pointer, "attributes_invalid", "Give finite numbers, below 1e308.")
    if max((depth for depth, _ in _leaves(attributes)), default=0) > MAX_ATTRIBUTE_DEPTH:
        raise InvalidInputError.at(
            pointer, "attributes_invalid", f"Nest attributes at most {MAX_ATTRIBUTE_DEPTH} deep."
        )
    if not all(map(is_text, _strings(attributes))):
        raise InvalidInputError.at(
            pointer, "attributes_invalid", "Remove NUL characters and halves of surrogate pairs."
        )
    if len(json.dumps(attributes, ensure_ascii=False).encode()) > MAX_ATTRIBUTE_BYTES:
        raise InvalidInputError.at(
            pointer, "attributes_invalid", f"Keep attributes below {MAX_ATTRIBUTE_BYTES} bytes of JSON."
        )


def check_document_size(annotations: int, vertices: int, pointer: str = "/annotations") -> None:
    """Refuse a document that nobody could read or draw in one go. Raises InvalidInputError."""
    if annotations > MAX_ANNOTATIONS:
        raise InvalidInputError.at(
            pointer,
            "document_too_large",
            f"An image takes at most {MAX_ANNOTATIONS} objects; this would be {annotations}.",
        )
    if vertices > MAX_DOCUMENT_VERTICES:
        raise InvalidInputError.at(
            pointer,
            "document_too_large",
            f"The objects of an image have at most {MAX_DOCUMENT_VERTICES} vertices in all; "
            f"these have {vertices}: simplify the largest.",
        )


def _strings(value: Any) -> Iterator[str]:
    """Every name and every text in attributes that are no deeper than they may be."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _leaves(value: Any, depth: int = 0) -> Iterator[tuple[int, Any]]:
    """Every value that holds no others, with how deep it lies; no deeper than matters."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if not inner or depth > MAX_ATTRIBUTE_DEPTH:
        yield depth, value
        return
    for item in inner:
        yield from _leaves(item, depth + 1)
