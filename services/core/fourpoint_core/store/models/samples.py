"""Samples, and the promises made before their bytes are written."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, ForeignKey, Index, and_, text
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.domain.reconcile import STAND_IN_PREFIX
from fourpoint_core.store.models.base import Base, CreatedAt, Id


class Sample(Base):
    """One image of a dataset.

    object_key: where its bytes lie in the object store, with object_etag, since object_modified_at.
    digest: what stands for its bytes: their SHA-256 in hex where the service has read them all before the row
    was made, else `etag-` and a hash of what the bucket says of them (see `domain.reconcile`). It stays as long
    as the bytes do. sha256: of the latter, once somebody has read them; see `known_sha256`.
    width, height: pixels of the upright image (EXIF orientation applied).
    revision: number of the current revision of its annotation document, 0 before the first save.
    annotation_count: objects in that revision; an image with none is unlabeled.
    trashed_at: since when it lies in the trash, by trashed_by in the deletion deletion_id; see KEPT.
    missing_since: since when a synchronisation does not find its file any more; see PRESENT.
    changed_at: when one found other bytes under its key, and nobody has looked at the image since.
    absence: why it is away, where that is no ordinary deletion; see Absence.
    copied_in, copied_revision: the document of revision copied_in is a copy of copied_revision's; it says
    nothing about a later revision.
    """

    __tablename__ = "samples"
    __table_args__ = (
        CheckConstraint("absence IN ('set_aside', 'purged')", "absence"),
        Index("ix_samples_dataset_id_created_at_id", "dataset_id", "created_at", "id"),
        Index(
            "ix_samples_labeled",
            "dataset_id",
            "created_at",
            "id",
            postgresql_where=text("annotation_count > 0"),
        ),
        Index(
            "ix_samples_unlabeled",
            "dataset_id",
            "created_at",
            "id",
            postgresql_where=text("annotation_count = 0"),
        ),
        # Of names and keys by code points (COLLATE "C"), which a comparison of schemas does not see.
        Index("ix_samples_name", "dataset_id", "name", "id"),
        Index("ix_samples_size", "dataset_id", "size_bytes", "id"),
        Index("ix_samples_annotation_count", "dataset_id", "annotation_count", "id"),
        Index("ix_samples_labeled_by", "dataset_id", "labeled_by", "created_at", "id"),
        Index("ix_samples_key", "dataset_id", "object_key"),
        Index("uq_samples_dataset_id_object_key", "dataset_id", "object_key", unique=True),
        Index("ix_samples_object_key", "object_key"),
        Index("ix_samples_digest", "digest"),
        Index(
            "ix_samples_trash",
            "dataset_id",
            "trashed_at",
            "id",
            postgresql_where=text("trashed_at IS NOT NULL"),
        ),
        Index("ix_samples_trashed_at", "trashed_at", postgresql_where=text("trashed_at IS NOT NULL")),
        Index("ix_samples_deletion_id", "deletion_id", postgresql_where=text("deletion_id IS NOT NULL")),
        Index(
            "ix_samples_missing",
            "dataset_id",
            "created_at",
            "id",
            postgresql_where=text("missing_since IS NOT NULL"),
        ),
        Index(
            "ix_samples_changed",
            "dataset_id",
            "created_at",
            "id",
            postgresql_where=text("changed_at IS NOT NULL"),
        ),
        Index("ix_samples_sha256", "sha256", postgresql_where=text("sha256 IS NOT NULL")),
    )

    id: Mapped[Id]
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"))
    name: Mapped[str]
    object_key: Mapped[str]
    object_etag: Mapped[str]
    digest: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
    revision: Mapped[int] = mapped_column(server_default="0")
    annotation_count: Mapped[int] = mapped_column(server_default="0")
    labeled_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    labeled_at: Mapped[datetime | None]
    trashed_at: Mapped[datetime | None]
    trashed_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    deletion_id: Mapped[UUID | None]
    object_modified_at: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    sha256: Mapped[str | None]
    absence: Mapped[str | None]
    copied_in: Mapped[int | None]
    copied_revision: Mapped[int | None]

    @property
    def known_sha256(self) -> str | None:
        """SHA-256 of its bytes, hex; None where nobody has read them all yet."""
        return known_sha256(self.digest, self.sha256)


def known_sha256(digest: str, sha256: str | None) -> str | None:
    """See Sample.known_sha256."""
    return sha256 if digest.startswith(STAND_IN_PREFIX) else digest


class Absence(StrEnum):
    """Why a sample is away, other than lying in the trash; only versions show it.

    SET_ASIDE: it is not in the version that was made current, and comes back with one that has it.
    PURGED: deleted for good; what versions need of it stays, and its key is free for another image.
    """

    SET_ASIDE = "set_aside"
    PURGED = "purged"


# What one may read and save by its id: all but the trash.
KEPT: ColumnElement[bool] = Sample.trashed_at.is_(None)
# What "the samples of a dataset" means in lists, counts and exports: those whose files are there as well.
PRESENT: ColumnElement[bool] = and_(KEPT, Sample.missing_since.is_(None))


class ForgottenObject(Base):
    """An object in the bucket whose sample was deleted without it: no synchronisation brings it back."""

    __tablename__ = "forgotten_objects"
    # By code points, as above.
    __table_args__ = (Index("ix_forgotten_objects_key", "dataset_id", "object_key"),)

    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    object_key: Mapped[str] = mapped_column(primary_key=True)
    forgotten_at: Mapped[CreatedAt]


class UploadIntent(Base):
    """An object that no sample refers to: about to be written, or about to be removed.

    It outlives only an upload or a removal that died, and the sweep then removes object and intent.
    upload_id: the upload, or the job that removes.
    """

    __tablename__ = "upload_intents"

    object_key: Mapped[str] = mapped_column(primary_key=True)
    upload_id: Mapped[UUID] = mapped_column(index=True)
    created_at: Mapped[CreatedAt]
