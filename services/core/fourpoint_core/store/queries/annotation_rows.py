"""Rows of annotations as values: what is read and written by every save, without what the mapper adds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from fourpoint_core.store.models import Annotation, InferredContour, Label


@dataclass(slots=True)
class AnnotationRow:
    """See Annotation. A mapped object of so many columns costs more than all else that a save does with it."""

    sample_id: UUID
    annotation_id: UUID
    valid_from: int
    valid_to: int | None
    label_id: UUID
    contour: dict[str, Any]
    bounding_box: list[Any]
    area: float
    method: str
    prompt: dict[str, Any] | None
    contour_id: UUID | None
    engine: str | None
    model_digest: str | None
    score: float | None
    created_by: UUID
    created_at: datetime
    attributes: dict[str, Any]
    visible: bool
    z_order: int
    difficult: bool
    occluded: bool
    truncated: bool
    vertex_count: int | None
    edited_by: UUID | None
    edited_at: datetime | None
    unconfirmed: bool


Row = Annotation | AnnotationRow
COLUMNS = [Annotation.__table__.c[item.name] for item in fields(AnnotationRow)]


@dataclass(frozen=True, slots=True)
class LabeledAnnotation:
    """An annotation with its label as that is now: a rename shows at once.

    confident: what the engine said of an outline that waits for somebody's word; None of any other.
    """

    row: Row
    label: Label
    confident: bool | None = None


def painting_order(shown: Iterable[LabeledAnnotation]) -> list[LabeledAnnotation]:
    """By z-order, then oldest first."""
    return sorted(shown, key=lambda item: (item.row.z_order, item.row.created_at, item.row.annotation_id))


def with_confidence(session: Session, shown: Sequence[LabeledAnnotation]) -> list[LabeledAnnotation]:
    """The same, and of those that are unconfirmed whether the engine was sure; asked only where some are."""
    ids = {item.row.contour_id for item in shown if item.row.unconfirmed}
    if not ids:
        return list(shown)
    found = select(InferredContour.id, InferredContour.confident).where(InferredContour.id.in_(ids))
    confident = {row.id: row.confident for row in session.execute(found)}
    return [
        replace(item, confident=confident.get(item.row.contour_id)) if item.row.unconfirmed else item
        for item in shown
    ]
