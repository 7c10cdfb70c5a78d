"""The rows of a save: the revision, the objects that end and begin with it, and the sample's new state.

All of them are one statement: a save is what people wait for, and its time goes into round trips. What it wrote
is known without reading it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, attributes
from sqlalchemy.sql.selectable import TextualSelect

from fourpoint_core.domain.annotations import Content
from fourpoint_core.domain.history import FIELD_OF_COLUMN, Action
from fourpoint_core.store.models import Label, Sample
from fourpoint_core.store.queries.annotation_rows import AnnotationRow, Row
from fourpoint_core.store.session import as_json, note_change

# Of one statement.
VERTICES_AT_ONCE = 1_000_000
SHAPE = ("bounding_box", "area", "vertex_count")
# Saves of jobs: who labeled the image stays who did, and what came from a file was labeled by nobody here.
MECHANICAL = {Action.MERGE_LABEL, Action.DELETE_LABEL, Action.SYNC, Action.PRE_LABEL, Action.REJECT}
_CONTENT = (*FIELD_OF_COLUMN, *SHAPE)
# Of one save's objects each is a microsecond later than the one before: lists go by time, and keep their order.
_STEP = timedelta(microseconds=1)
# What a save changes of a sample.
_STATE = ("revision", "annotation_count", "labeled_by", "labeled_at", "copied_in", "copied_revision")


@dataclass(frozen=True, slots=True)
class Opening:
    """A row to be written.

    origin: the row that it follows; None for an object that is new to the document.
    is_copy: it brings `origin` back as it was, and is no edit of it.
    """

    content: Content
    origin: Row | None = None
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Save:
    """What one revision changes. sample: locked; closed: current rows that end with it.

    copy_of: the first revision with just the contents that it brings back, if it brings any back.
    """

    sample: Sample
    closed: Sequence[Row] = ()
    opened: Sequence[Opening] = ()
    undo_to: int | None = None
    redo_to: int | None = None
    restored_from: int | None = None
    copy_of: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a save left: the rows that began with it, and whether its author has a draft of the image."""

    rows: Sequence[AnnotationRow]
    has_draft: bool


# See migration 0016.
_WRITE: TextualSelect = (
    text(
        f"""
        SELECT {", ".join(f"(written.sample).{name}" for name in ("id", *_STATE))}, made_at, has_draft
        FROM write_revisions(:saves, :rows, :action, :author, :mechanical, :ending_samples, :ending) written
        """  # noqa: S608 - constants
    )
    .bindparams(
        bindparam("author", type_=Uuid),
        bindparam("ending_samples", type_=ARRAY(Uuid)),
        bindparam("ending", type_=ARRAY(Uuid)),
    )
    .columns(id=Uuid, labeled_by=Uuid, labeled_at=DateTime(timezone=True), made_at=DateTime(timezone=True))
)


def write(
    session: Session, saves: Sequence[Save], labels: Mapping[UUID, Label], action: Action, author: UUID
) -> dict[UUID, Written]:
    """Write the revisions; the samples, locked by the caller, are up to date afterwards. By sample.

    labels: the label that each label of the objects leads to.
    """
    written: dict[UUID, Written] = {}
    for part in _parts(saves):
        written |= _write(session, part, labels, action, author)
    return written


def _parts(saves: Sequence[Save]) -> Iterator[list[Save]]:
    """What goes into one statement each: a jsonb holds a quarter of a gigabyte, and memory has its limits."""
    part: list[Save] = []
    vertices = 0
    for save in saves:
        own = sum(opening.content.vertex_count for opening in save.opened)
        if part and vertices + own > VERTICES_AT_ONCE:
            yield part
            part, vertices = [], 0
        part.append(save)
        vertices += own
    if part:
        yield part


def _write(
    session: Session, saves: Sequence[Save], labels: Mapping[UUID, Label], action: Action, author: UUID
) -> dict[UUID, Written]:
    closed = [row for save in saves for row in save.closed]
    values = {
        "saves": as_json([_save(save) for save in saves]),
        "rows": as_json([_row(save, opening, labels, author) for save in saves for opening in save.opened]),
        "action": action.value,
        "author": author,
        "mechanical": action in MECHANICAL,
        "ending_samples": [row.sample_id for row in closed],
        "ending": [row.annotation_id for row in closed],
    }
    note_change(session)
    found = session.connection().execute(_WRITE, values)
    by_sample = {row.id: row for row in found}
    written: dict[UUID, Written] = {}
    place = 0
    for save in saves:
        row = by_sample[save.sample.id]
        for name in _STATE:
            attributes.set_committed_value(save.sample, name, getattr(row, name))
        moments = [row.made_at + (place + at) * _STEP for at in range(len(save.opened))]
        place += len(moments)
        rows = [
            _begun(row.revision, save, opening, labels, author, moment)
            for opening, moment in zip(save.opened, moments, strict=True)
        ]
        written[row.id] = Written(rows, row.has_draft)
    return written


def _begun(
    number: int, save: Save, opening: Opening, labels: Mapping[UUID, Label], author: UUID, moment: datetime
) -> AnnotationRow:
    """The row that was written, as it will be read; see the statement."""
    content, origin = opening.content, opening.origin
    made = (author, moment) if origin is None else (origin.created_by, origin.created_at)
    edited: tuple[UUID | None, datetime | None] = (author, moment)
    if origin is None:
        edited = (None, None)
    elif opening.is_copy:
        edited = (origin.edited_by, origin.edited_at)
    return AnnotationRow(
        sample_id=save.sample.id,
        annotation_id=content.id,
        valid_from=number,
        valid_to=None,
        **{name: _as_stored(getattr(content, name)) for name in _CONTENT if name != "label_id"},
        label_id=labels[content.label_id].id,
        created_by=made[0],
        created_at=made[1],
        edited_by=edited[0],
        edited_at=edited[1],
    )


def _save(save: Save) -> dict[str, Any]:
    return {
        "sample_id": save.sample.id,
        "annotation_count": save.sample.annotation_count - len(save.closed) + len(save.opened),
        "undo_to": save.undo_to,
        "redo_to": save.redo_to,
        "restored_from": save.restored_from,
        "copy_of": save.copy_of,
    }


def _row(save: Save, opening: Opening, labels: Mapping[UUID, Label], author: UUID) -> dict[str, Any]:
    content = {name: getattr(opening.content, name) for name in _CONTENT}
    return {
        "sample_id": save.sample.id,
        "annotation_id": opening.content.id,
        **content,
        "label_id": labels[opening.content.label_id].id,
        **_provenance(opening, author),
    }


def _provenance(opening: Opening, author: UUID) -> dict[str, Any]:
    """Who made and edited it, and when; what is left out is the save's own."""
    origin = opening.origin
    if origin is None:
        return {}
    made = {"created_by": origin.created_by, "created_at": origin.created_at}
    if not opening.is_copy:
        return {**made, "edited_by": author}
    return {**made, "edited_by": origin.edited_by, "edited_at": origin.edited_at}


def _as_stored(value: Any) -> Any:
    """With its names in PostgreSQL's order: a save answers to the letter what reading it will answer."""
    if isinstance(value, dict):
        return {name: _as_stored(value[name]) for name in sorted(value, key=_place_of_name)}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_as_stored(item) for item in value]
    return value


def _place_of_name(name: str) -> tuple[int, bytes]:
    text = name.encode()
    return len(text), text
