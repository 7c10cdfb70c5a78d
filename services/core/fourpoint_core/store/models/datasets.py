"""Datasets and their labels."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text, true
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class Dataset(Base):
    """A collection of samples that are labeled with one set of labels.

    input_path: key prefix in the object store where the images lie; output_path: one for what is made of
    them. Both end with a slash.
    import_annotations: whether a synchronisation reads the files of labels beside the images.
    auto_sync_minutes: pause between two synchronisations that nobody asks for; sync_due_at: when the next one
    should begin. Both NULL: only when asked.
    row_version: grows with every change; the resource's ETag.
    deleted_at: set at once when somebody deletes it; a job then removes the rows.
    """

    __tablename__ = "datasets"
    __table_args__ = (
        Index("uq_datasets_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_datasets_created_at_id", "created_at", "id"),
        Index("ix_datasets_sync_due_at", "sync_due_at", postgresql_where=text("sync_due_at IS NOT NULL")),
    )

    id: Mapped[Id]
    name: Mapped[str]
    description: Mapped[str]
    input_path: Mapped[str]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    row_version: Mapped[int] = mapped_column(server_default="1")
    deleted_at: Mapped[datetime | None]
    output_path: Mapped[str | None]
    auto_sync_minutes: Mapped[int | None]
    sync_due_at: Mapped[datetime | None]
    import_annotations: Mapped[bool] = mapped_column(server_default=true())


class Label(Base):
    """What an object is called.

    mask_index: the label's value in palette masks; given once, never reused within the dataset.
    row_version: grows with every change; the resource's ETag.
    deleted_at: set at once when somebody deletes it; a job then changes the annotations that refer to it.
    merged_into: what took its place, where it was merged.
    """

    __tablename__ = "labels"
    __table_args__ = (
        Index(
            "uq_labels_dataset_id_name",
            "dataset_id",
            "name",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "uq_labels_dataset_id_shortcut",
            "dataset_id",
            "shortcut",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("uq_labels_dataset_id_mask_index", "dataset_id", "mask_index", unique=True),
    )

    id: Mapped[Id]
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"))
    name: Mapped[str]
    colour: Mapped[str]
    mask_index: Mapped[int]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]
    shortcut: Mapped[str | None]
    row_version: Mapped[int] = mapped_column(server_default="1")
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("labels.id"))
