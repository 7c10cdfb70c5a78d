"""What a version says of one image, and which of its files are no longer those that it pinned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, or_, select
from sqlalchemy.orm import Session

from fourpoint_core.domain.versions import FileState
from fourpoint_core.errors import NotFoundError
from fourpoint_core.store.models import Absence, Sample, Version, VersionSample
from fourpoint_core.store.queries import annotations, pins
from fourpoint_core.store.queries.annotations import LabeledAnnotation

_DELETED: ColumnElement[bool] = or_(Sample.id.is_(None), Sample.absence == Absence.PURGED.value)
_REPLACED: ColumnElement[bool] = Sample.digest != VersionSample.digest
_MISSING: ColumnElement[bool] = Sample.missing_since.is_not(None)
_STATE = case(
    (_DELETED, FileState.DELETED.value),
    (_REPLACED, FileState.REPLACED.value),
    (_MISSING, FileState.MISSING.value),
    else_=FileState.THERE.value,
)


@dataclass(frozen=True, slots=True)
class Pinned:
    """An image of a version, and what became of its file: since when, and by whom where it was deleted.

    key: where the file lies today, if it is there.
    """

    pin: VersionSample
    state: FileState
    key: str | None
    since: datetime | None
    by: UUID | None


def read_pinned(session: Session, version: Version, sample_id: UUID) -> Pinned:
    """An image as the version has it. Raises NotFoundError."""
    statement = _pinned(version).where(VersionSample.sample_id == sample_id)
    row = session.execute(statement).one_or_none()
    if row is None:
        raise NotFoundError(f"The version {version.name!r} has no image {sample_id}.")
    return _as_pinned(row)


def list_drift(
    session: Session, version: Version, after: UUID | None, limit: int
) -> tuple[Sequence[Pinned], UUID | None]:
    """Images whose file is not the pinned one any more, by id; and the last of them if there are more."""
    statement = _pinned(version).where(or_(_DELETED, _REPLACED, _MISSING))
    if after is not None:
        statement = statement.where(VersionSample.sample_id > after)
    rows = session.execute(statement.order_by(VersionSample.sample_id).limit(limit + 1)).all()
    page = [_as_pinned(row) for row in rows[:limit]]
    return page, page[-1].pin.sample_id if len(rows) > limit else None


def objects_of(session: Session, version: Version, pin: VersionSample) -> list[LabeledAnnotation]:
    """The objects of an image in painting order, with their labels as they were called."""
    labels = {label.id: label for label in pins.labels_of(session, version.id)}
    found = annotations.annotations_at(session, pin.sample_id, pin.revision)
    return [replace(one, label=labels.get(one.row.label_id, one.label)) for one in found]


def _pinned(version: Version) -> Any:
    return (
        select(VersionSample, _STATE, Sample)
        .outerjoin(Sample, Sample.id == VersionSample.sample_id)
        .where(VersionSample.dataset_id == version.dataset_id, *pins.covers(version.number))
    )


def _as_pinned(row: Any) -> Pinned:
    pin, state, sample = row
    if state == FileState.DELETED:
        gone = (None, None) if sample is None else (sample.trashed_at, sample.trashed_by)
        return Pinned(pin, FileState.DELETED, None, *gone)
    since = {FileState.REPLACED: sample.changed_at, FileState.MISSING: sample.missing_since}.get(state)
    return Pinned(pin, FileState(state), sample.object_key, since, None)
