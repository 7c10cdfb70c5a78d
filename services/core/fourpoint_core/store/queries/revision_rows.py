"""The rows of a save: the revision, the objects that begin with it, and the sample's new state.

All of them are one statement: a save is what people wait for, and its time goes into round trips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from fourpoint_core.domain.annotations import Content
from fourpoint_core.domain.history import FIELD_OF_COLUMN, Action
from fourpoint_core.store.models import Annotation, Sample
from fourpoint_core.store.session import note_change

SHAPE = ("bounding_box", "area", "vertex_count")
# Saves of jobs: who labeled the image stays who did, and what came from a file was labeled by nobody here.
MECHANICAL = {Action.MERGE_LABEL, Action.DELETE_LABEL, Action.SYNC, Action.PRE_LABEL, Action.REJECT}
_CONTENT = (*FIELD_OF_COLUMN, *SHAPE)


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


# Of one save's objects each is a microsecond later than the one before: lists go by time, and keep their order.
# The sample's row is updated by the same statement, and its triggers see all that the statement wrote.
_WRITE = select(Sample).from_statement(
    text(
        f"""
        WITH saves AS (
            SELECT * FROM jsonb_to_recordset(:saves) AS save (
                sample_id uuid, annotation_count integer, undo_to integer, redo_to integer,
                restored_from integer, copy_of integer
            )
        ), made AS (
            INSERT INTO revisions
                (sample_id, number, action, author_id, undo_to, redo_to, restored_from, copy_of)
            SELECT saves.sample_id, samples.revision + 1, :action, :author, saves.undo_to, saves.redo_to,
                saves.restored_from, saves.copy_of
            FROM saves JOIN samples ON samples.id = saves.sample_id
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
        FROM saves WHERE samples.id = saves.sample_id
        RETURNING samples.*
        """  # noqa: S608 - constants
    ).bindparams(
        bindparam("saves", type_=JSONB), bindparam("rows", type_=JSONB), bindparam("author", type_=Uuid)
    )
)


def write(
    session: Session, saves: Sequence[Save], labels: Mapping[UUID, UUID], action: Action, author: UUID
) -> None:
    """Write the revisions; the samples, locked by the caller, are up to date afterwards.

    labels: the label that each label of the objects leads to.
    """
    values = {
        "saves": [_save(save) for save in saves],
        "rows": [_row(save, opening, labels, author) for save in saves for opening in save.opened],
        "action": action.value,
        "author": author,
        "mechanical": action in MECHANICAL,
    }
    note_change(session)
    session.scalars(_WRITE, values, execution_options={"populate_existing": True}).all()


def _save(save: Save) -> dict[str, Any]:
    return {
        "sample_id": str(save.sample.id),
        "annotation_count": save.sample.annotation_count - len(save.closed) + len(save.opened),
        "undo_to": save.undo_to,
        "redo_to": save.redo_to,
        "restored_from": save.restored_from,
        "copy_of": save.copy_of,
    }


def _row(save: Save, opening: Opening, labels: Mapping[UUID, UUID], author: UUID) -> dict[str, Any]:
    content = {name: getattr(opening.content, name) for name in _CONTENT}
    return {
        "sample_id": str(save.sample.id),
        "annotation_id": str(opening.content.id),
        **content,
        "label_id": str(labels[opening.content.label_id]),
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


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
