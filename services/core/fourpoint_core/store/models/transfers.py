"""Exports that can be had, what unfinished ones left in the bucket, and what imports have to say of lines."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class Export(Base):
    """A finished export. Its id is that of the job that made it; the row is what makes its files visible.

    dataset_id: no foreign key, because the sweep still has to remove the files when the dataset is gone.
    request, content: SHA-256 of what was asked for, and of what there was; the same of both is the same export.
    object_key: of the archive; NULL where the files lie below `prefix`, at a path that somebody chose.
    expires_at: when an archive is removed; NULL for files at a path, which are their owner's.
    """

    __tablename__ = "exports"
    __table_args__ = (
        Index("ix_exports_request", "request", "content"),
        Index("ix_exports_dataset_id", "dataset_id", "created_at", "id"),
        Index("ix_exports_expires_at", "expires_at"),
    )

    id: Mapped[Id]
    dataset_id: Mapped[UUID]
    request: Mapped[str]
    content: Mapped[str]
    order: Mapped[dict[str, Any]]
    object_key: Mapped[str | None]
    prefix: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[int] = mapped_column(BigInteger)
    report: Mapped[dict[str, Any]]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]


class ExportAttempt(Base):
    """Files that are being written below `prefix` by one try of a job, and are nobody's until it ends well."""

    __tablename__ = "export_attempts"

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    lease_number: Mapped[int] = mapped_column(primary_key=True)
    prefix: Mapped[str]
    created_at: Mapped[CreatedAt]


class ImportLine(Base):
    """What an import has to say of one place of its files.

    outcome: refused (nothing of it was taken), converted (taken, not just as it says), left_out (nobody asked).
    position: in the order of the files. place: the file; line: of it, counted from 1; name: of the image.
    """

    __tablename__ = "import_lines"
    __table_args__ = (CheckConstraint("outcome IN ('refused', 'converted', 'left_out')", "outcome"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    outcome: Mapped[str]
    code: Mapped[str]
    detail: Mapped[str]
    place: Mapped[str]
    line: Mapped[int | None]
    name: Mapped[str | None]


class ImportedBox(Base):
    """A box that an import found without an outline, kept as a prompt for inference.

    prompt: as the API takes it, `{"box": [x0, y0, x1, y1]}`. It goes when somebody draws from it, or with the
    sample.
    """

    __tablename__ = "imported_boxes"
    __table_args__ = (
        Index("ix_imported_boxes_sample_id", "sample_id"),
        Index("ix_imported_boxes_label_id", "label_id"),
    )

    id: Mapped[Id]
    sample_id: Mapped[UUID] = mapped_column(ForeignKey("samples.id", ondelete="CASCADE"))
    label_id: Mapped[UUID] = mapped_column(ForeignKey("labels.id", ondelete="CASCADE"))
    job_id: Mapped[UUID]
    prompt: Mapped[dict[str, Any]]
    traits: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
