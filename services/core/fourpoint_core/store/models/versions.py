"""Published versions of a dataset: pointers to revisions and to image contents, and a snapshot of the labels.

A version is a number n. What it holds are the rows of `version_samples` that are valid in n, so publishing
writes a row only for what has changed since the version before it, as a save does for an annotation.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class Version(Base):
    """A state of a dataset under a name; but for its description it never changes.

    number: counts up within the dataset, in the order of publication, and is never given twice.
    state: publishing until its contents are written; failed where that ended badly.
    published_at: the one moment that its contents are of. samples, labeled, annotations: counts of them.
    fingerprint: of all samples and their documents, see `sample_mark` in migration 0007.
    parent_id: the version that was current before.
    """

    __tablename__ = "versions"
    __table_args__ = (
        CheckConstraint("state IN ('publishing', 'published', 'failed')", "state"),
        Index("uq_versions_dataset_id_number", "dataset_id", "number", unique=True),
        Index(
            "uq_versions_dataset_id_name",
            "dataset_id",
            "name",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND state <> 'failed'"),
        ),
        Index("ix_versions_dataset_id_created_at_id", "dataset_id", "created_at", "id"),
        Index("ix_versions_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    id: Mapped[Id]
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    number: Mapped[int]
    name: Mapped[str]
    description: Mapped[str]
    state: Mapped[str]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
    published_at: Mapped[datetime | None]
    job_id: Mapped[UUID | None]
    parent_id: Mapped[UUID | None]
    samples: Mapped[int | None] = mapped_column(BigInteger)
    labeled: Mapped[int | None] = mapped_column(BigInteger)
    annotations: Mapped[int | None] = mapped_column(BigInteger)
    fingerprint: Mapped[int | None] = mapped_column(BigInteger)
    row_version: Mapped[int] = mapped_column(server_default="1")
    deleted_at: Mapped[datetime | None]
    deleted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))


class VersionHead(Base):
    """Where a dataset stands among its versions. Locked by whoever publishes or switches, for a moment.

    job_id: who publishes or switches; the next one may when that job has ended.
    """

    __tablename__ = "version_heads"

    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    last_number: Mapped[int] = mapped_column(server_default="0")
    current_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("versions.id"))
    job_id: Mapped[UUID | None]


class VersionSample(Base):
    """A sample as it stood in the versions [from_number, to_number) of its dataset; NULL: also in the next.

    revision: of its document. content_revision: the first revision with just these contents, see
    `Revision.copy_of`. The image's facts are those of the moment, whatever becomes of the file.
    There is no foreign key to `samples`, which would lock a million rows; `trash.purge` leaves pinned rows.
    """

    __tablename__ = "version_samples"
    __table_args__ = (
        Index("ix_version_samples_created_at", "dataset_id", "created_at", "sample_id"),
        # Of names and keys by code points (COLLATE "C"), which a comparison of schemas does not see.
        Index("ix_version_samples_name", "dataset_id", "name", "sample_id"),
        Index("ix_version_samples_key", "dataset_id", "object_key"),
        Index("ix_version_samples_size", "dataset_id", "size_bytes", "sample_id"),
        Index("ix_version_samples_annotation_count", "dataset_id", "annotation_count", "sample_id"),
        Index("ix_version_samples_from_number", "dataset_id", "from_number"),
        Index(
            "ix_version_samples_to_number",
            "dataset_id",
            "to_number",
            postgresql_where=text("to_number IS NOT NULL"),
        ),
    )

    sample_id: Mapped[UUID] = mapped_column(primary_key=True)
    from_number: Mapped[int] = mapped_column(primary_key=True)
    to_number: Mapped[int | None]
    dataset_id: Mapped[UUID]
    revision: Mapped[int]
    content_revision: Mapped[int]
    digest: Mapped[str]
    name: Mapped[str]
    object_key: Mapped[str]
    object_etag: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    annotation_count: Mapped[int]
    labeled_by: Mapped[UUID | None]
    labeled_at: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    object_modified_at: Mapped[datetime | None]
    sha256: Mapped[str | None]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]


class VersionLabel(Base):
    """A label as it was called when a version was published."""

    __tablename__ = "version_labels"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True)
    label_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    colour: Mapped[str]
    shortcut: Mapped[str | None]
    mask_index: Mapped[int]
    created_at: Mapped[datetime]


class VersionTally(Base):
    """A counter of the dataset as it stood when a version was published; see `Tally`."""

    __tablename__ = "version_tallies"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    subject: Mapped[UUID] = mapped_column(primary_key=True)
    images: Mapped[int] = mapped_column(BigInteger)
    objects: Mapped[int] = mapped_column(BigInteger)
