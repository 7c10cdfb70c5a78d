"""Annotations as rows that are valid from one revision to another, and what inference recorded."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, ForeignKey, ForeignKeyConstraint, Index, false, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class Revision(Base):
    """One save of a sample's annotation document; never changed, never removed.

    undo_to, redo_to: the revisions whose state, contents and further undos and redos alike, come back by
    undo and redo; only those that undid or redid say the first, see `domain.history.undo_target`.
    restored_from: the revision whose contents a restoration brought back.
    copy_of: the first revision with just these contents, where an undo, a redo or a restoration brought
    them back; 0: the empty document before the first save.
    """

    __tablename__ = "revisions"

    sample_id: Mapped[UUID] = mapped_column(ForeignKey("samples.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str]
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
    undo_to: Mapped[int | None]
    redo_to: Mapped[int | None]
    restored_from: Mapped[int | None]
    copy_of: Mapped[int | None]


class Annotation(Base):
    """One object of a sample, as it stood in the revisions [valid_from, valid_to).

    valid_to is NULL while the row is part of the current document. An edit closes a row and opens another
    with the same annotation_id, so any revision is one WHERE clause away.
    created_by, created_at: of the object, kept through its edits; edited_by, edited_at: of the last of them.
    vertex_count: NULL in rows of the version before it was counted.
    unconfirmed: a batch has drawn the outline, and nobody has said yet that it is right.
    """

    __tablename__ = "annotations"
    __table_args__ = (
        ForeignKeyConstraint(["sample_id", "valid_from"], ["revisions.sample_id", "revisions.number"]),
        CheckConstraint("method IN ('polygon', 'extreme_points')", "method"),
        Index(
            "uq_annotations_current",
            "sample_id",
            "annotation_id",
            unique=True,
            postgresql_where=text("valid_to IS NULL"),
        ),
        # What waits for somebody's word is little beside all that there is.
        Index("ix_annotations_unconfirmed", "sample_id", postgresql_where=text("unconfirmed")),
        Index("ix_annotations_label_id", "label_id", postgresql_where=text("valid_to IS NULL")),
    )

    sample_id: Mapped[UUID] = mapped_column(primary_key=True)
    annotation_id: Mapped[UUID] = mapped_column(primary_key=True)
    valid_from: Mapped[int] = mapped_column(primary_key=True)
    valid_to: Mapped[int | None]
    label_id: Mapped[UUID] = mapped_column(ForeignKey("labels.id"))
    contour: Mapped[dict[str, Any]]
    bounding_box: Mapped[list[Any]]
    area: Mapped[float] = mapped_column(Double)
    method: Mapped[str]
    prompt: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    contour_id: Mapped[UUID | None]
    engine: Mapped[str | None]
    model_digest: Mapped[str | None]
    score: Mapped[float | None] = mapped_column(Double)
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    visible: Mapped[bool] = mapped_column(server_default=true())
    z_order: Mapped[int] = mapped_column(server_default="0")
    difficult: Mapped[bool] = mapped_column(server_default=false())
    occluded: Mapped[bool] = mapped_column(server_default=false())
    truncated: Mapped[bool] = mapped_column(server_default=false())
    vertex_count: Mapped[int | None]
    edited_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    edited_at: Mapped[datetime | None]
    unconfirmed: Mapped[bool] = mapped_column(server_default=false())


class Draft(Base):
    """What one person has drawn on one sample and not yet saved."""

    __tablename__ = "drafts"

    sample_id: Mapped[UUID] = mapped_column(ForeignKey("samples.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    base_revision: Mapped[int]
    annotations: Mapped[list[Any]]
    updated_at: Mapped[CreatedAt]


class InferredContour(Base):
    """The recorded answer to one prompt; an annotation that names it takes its provenance from here."""

    __tablename__ = "contours"

    id: Mapped[Id]
    sample_id: Mapped[UUID] = mapped_column(ForeignKey("samples.id"), index=True)
    job_id: Mapped[UUID]
    prompt: Mapped[dict[str, Any]]
    contour: Mapped[dict[str, Any]]
    bounding_box: Mapped[list[Any]]
    area: Mapped[float] = mapped_column(Double)
    score: Mapped[float] = mapped_column(Double)
    confident: Mapped[bool]
    engine: Mapped[str]
    model_digest: Mapped[str]
    milliseconds: Mapped[dict[str, Any]]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
