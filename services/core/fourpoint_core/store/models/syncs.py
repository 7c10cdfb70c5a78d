"""Synchronisations: what is known of a bucket besides samples, and what each run found and did."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt


class KnownObject(Base):
    """An object below a dataset's input path that is no sample, so that it is not read again and again.

    role: `sidecar`, a file of labels, or `refused`, an image that cannot be taken. error: why it was refused,
    or why the labels could not be read. sample_id, revision: the document that the labels became; NULL where no
    image belongs to them, or where what was edited here counts.
    """

    __tablename__ = "known_objects"
    __table_args__ = (
        CheckConstraint("role IN ('sidecar', 'refused')", "role"),
        Index("ix_known_objects_sample_id", "sample_id", postgresql_where=text("sample_id IS NOT NULL")),
    )

    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    object_key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    role: Mapped[str]
    etag: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sample_id: Mapped[UUID | None] = mapped_column(ForeignKey("samples.id", ondelete="SET NULL"))
    revision: Mapped[int | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class SyncRun(Base):
    """One synchronisation, as far as it is. phase, cursor: where a killed worker's successor goes on.

    cause: who wanted it: `request`, `creation`, `schedule` or `notification`.
    """

    __tablename__ = "sync_runs"
    __table_args__ = (
        CheckConstraint("cause IN ('request', 'creation', 'schedule', 'notification')", "cause"),
        Index("ix_sync_runs_dataset_id", "dataset_id", "created_at"),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    cause: Mapped[str]
    dry_run: Mapped[bool]
    phase: Mapped[str] = mapped_column(server_default="listing")
    cursor: Mapped[str] = mapped_column(server_default="")
    counts: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class SyncItem(Base):
    """What a run found under one key: first what is to be done, and then what was.

    etag, size_bytes, modified_at: as the bucket lists the object. previous_key: of an image that was renamed.
    detail: what is worth knowing about it, as a JSON document with a `code`.
    """

    __tablename__ = "sync_items"
    __table_args__ = (Index("ix_sync_items_outcome", "job_id", "outcome", "object_key"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("sync_runs.job_id", ondelete="CASCADE"), primary_key=True)
    object_key: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    role: Mapped[str]
    outcome: Mapped[str]
    sample_id: Mapped[UUID | None]
    etag: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    modified_at: Mapped[datetime | None]
    previous_key: Mapped[str | None] = mapped_column(Text(collation="C"))
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
