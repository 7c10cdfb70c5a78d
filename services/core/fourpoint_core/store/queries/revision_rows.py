"""The rows of a save: the revision, the objects that end and begin with it, and the sample's new state.

All of them are one statement: a save is what people wait for, and its time goes into round trips. What it wrote
is known without reading it again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session, attributes
from sqlalchemy.sql.selectable import TextualSelect

from fourpoint_core.domain.annotations import Content
from fourpoint_core.domain.history import FIELD_OF_COLUMN, Action
from fourpoint_core.store.models import Annotation, Label, Sample
from fourpoint_core.store.session import note_change

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
    origin: Annotation | None = None
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Save:
    """What one revision changes. sample: locked; closed: current rows that end with it.

    copy_of: the first revision with just the contents that it brings back, if it brings any back.
    """

    sample: Sample
    closed: Sequence[Annotation] = ()
    opened: Sequence[Opening] = ()
    undo_to: int | None = None
    redo_to: int | None = None
    restored_from: int | None = None
    copy_of: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a save left: the rows that began with it, and whether its author has a draft of the image."""

    rows: Sequence[Annotation]
    has_draft: bool


# A row of the same object begins: so that no two are ever current, the earlier one ends first.
_CLOSED = """
    closed AS (
        UPDATE annotations SET valid_to = samples.revision + 1
        FROM unnest(:ending_samples, :ending) AS item (sample_id, annotation_id)
        JOIN samples ON samples.id = item.sample_id
        WHERE annotations.sample_id = item.sample_id AND annotations.annotation_id = item.annotation_id
            AND annotations.valid_to IS NULL
        RETURNING annotations.sample_id
    ), ended AS (
        SELECT count(*) AS count FROM closed
    ),
"""


def _statement(*, closes: bool) -> TextualSelect:
    """The ids are given once more, as an array: of that the planner knows how many there are.

    The sample's row is updated by the same statement, and its triggers see all that the statement wrote.
    """
    sql: TextClause = text(
        f"""
        WITH saves AS (
            SELECT * FROM jsonb_to_recordset(:saves) AS save (
                sample_id uuid, annotation_count integer, undo_to integer, redo_to integer,
                restored_from integer, copy_of integer
            )
        ), {_CLOSED if closes else ""} made AS (
            INSERT INTO revisions
                (sample_id, number, action, author_id, undo_to, redo_to, restored_from, copy_of)
            SELECT saves.sample_id, samples.revision + 1, :action, :author, saves.undo_to, saves.redo_to,
                saves.restored_from, saves.copy_of
            FROM saves JOIN samples ON samples.id = saves.sample_id AND samples.id = ANY (:sample_ids)
            RETURNING sample_id, number, created_at
        ), opened AS (
            INSERT INTO annotations (
                sample_id, annotation_id, valid_from, {", ".join(_CONTENT)},
                created_by, created_at, edited_by, edited_at
            )
            SELECT made.sample_id, item.annotation_id, made.number, {", ".join(f"item.{n}" for n in _CONTENT)},
                coalesce(item.created_by, :author), coalesce(item.created_at, moment.at), item.edited_by,
                CASE WHEN item.edited_by IS NOT NULL THEN coalesce(item.edited_at, moment.at) END
            FROM ROWS FROM (jsonb_populate_recordset(CAST(NULL AS annotations), :rows)) WITH ORDINALITY AS item
            JOIN made ON made.sample_id = item.sample_id
            CROSS JOIN LATERAL (
                SELECT made.created_at + (item.ordinality - 1) * interval '1 microsecond'
            ) AS moment (at)
            {"WHERE (SELECT count FROM ended) >= 0" if closes else ""}
        )
        UPDATE samples SET
            revision = samples.revision + 1,
            annotation_count = saves.annotation_count,
            labeled_by = CASE WHEN saves.annotation_count > 0
                THEN CASE WHEN :mechanical THEN samples.labeled_by ELSE :author END END,
            labeled_at = CASE WHEN saves.annotation_count > 0
                THEN CASE WHEN :mechanical THEN samples.labeled_at ELSE clock_timestamp() END END,
            copied_in = CASE WHEN saves.copy_of IS NOT NULL THEN samples.revision + 1 END,
            copied_revision = saves.copy_of
        FROM saves JOIN made ON made.sample_id = saves.sample_id
        WHERE samples.id = saves.sample_id AND samples.id = ANY (:sample_ids)
        RETURNING samples.id, {", ".join(f"samples.{name}" for name in _STATE)}, made.created_at AS made_at,
            EXISTS (SELECT FROM drafts WHERE drafts.sample_id = samples.id AND drafts.user_id = :author)
                AS has_draft
        """  # noqa: S608 - constants
    )
    ids = ("sample_ids", "ending_samples", "ending") if closes else ("sample_ids",)
    return sql.bindparams(
        bindparam("saves", type_=JSONB),
        bindparam("rows", type_=JSONB),
        bindparam("author", type_=Uuid),
        *(bindparam(name, type_=ARRAY(Uuid)) for name in ids),
    ).columns(id=Uuid, labeled_by=Uuid, labeled_at=DateTime(timezone=True), made_at=DateTime(timezone=True))


_WRITE = _statement(closes=False)
_CLOSE_AND_WRITE = _statement(closes=True)


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
        "saves": [_save(save) for save in saves],
        "rows": [_row(save, opening, labels, author) for save in saves for opening in save.opened],
        "sample_ids": [save.sample.id for save in saves],
        "action": action.value,
        "author": author,
        "mechanical": action in MECHANICAL,
    }
    if closed:
        values["ending_samples"] = [row.sample_id for row in closed]
        values["ending"] = [row.annotation_id for row in closed]
    note_change(session)
    found = session.connection().execute(_CLOSE_AND_WRITE if closed else _WRITE, values)
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
) -> Annotation:
    """The row that was written, of no session, as it will be read; see the statement."""
    content, origin = opening.content, opening.origin
    made = (author, moment) if origin is None else (origin.created_by, origin.created_at)
    edited: tuple[UUID | None, datetime | None] = (author, moment)
    if origin is None:
        edited = (None, None)
    elif opening.is_copy:
        edited = (origin.edited_by, origin.edited_at)
    return Annotation(
        sample_id=save.sample.id,
        annotation_id=content.id,
        valid_from=number,
        **{name: _as_stored(getattr(content, name)) for name in _CONTENT if name != "label_id"},
        label_id=labels[content.label_id].id,
        created_by=made[0],
        created_at=made[1],
        edited_by=edited[0],
        edited_at=edited[1],
    )


def _save(save: Save) -> dict[str, Any]:
    return {
        "sample_id": str(save.sample.id),
        "annotation_count": save.sample.annotation_count - len(save.closed) + len(save.opened),
        "undo_to": save.undo_to,
        "redo_to": save.redo_to,
        "restored_from": save.restored_from,
        "copy_of": save.copy_of,
    }


def _row(save: Save, opening: Opening, labels: Mapping[UUID, Label], author: UUID) -> dict[str, Any]:
    content = {name: getattr(opening.content, name) for name in _CONTENT}
    return {
        "sample_id": str(save.sample.id),
        "annotation_id": str(opening.content.id),
        **content,
        "label_id": str(labels[opening.content.label_id].id),
        "contour_id": _text(opening.content.contour_id),
        **_provenance(opening, author),
    }


def _provenance(opening: Opening, author: UUID) -> dict[str, Any]:
    """Who made and edited it, and when; what is left out is the save's own."""
    origin = opening.origin
    if origin is None:
        return {}
    made = {"created_by": str(origin.created_by), "created_at": origin.created_at.isoformat()}
    if not opening.is_copy:
        return {**made, "edited_by": str(author)}
    edited_at = None if origin.edited_at is None else origin.edited_at.isoformat()
    return {**made, "edited_by": _text(origin.edited_by), "edited_at": edited_at}


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


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
