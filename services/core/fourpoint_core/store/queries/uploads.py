"""Direct uploads: slots, and what became of them."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from fourpoint_core.errors import NotFoundError
from fourpoint_core.store.models import PRESENT, DirectUpload, Sample


def open_slots(
    session: Session,
    upload_id: UUID,
    dataset_id: UUID,
    author: UUID,
    files: list[dict[str, Any]],
    seconds: float,
) -> DirectUpload:
    """Let a client write these files, for a while."""
    upload = DirectUpload(
        id=upload_id,
        dataset_id=dataset_id,
        created_by=author,
        files=files,
        expires_at=func.clock_timestamp() + timedelta(seconds=seconds),
    )
    session.add(upload)
    session.flush()
    session.refresh(upload)
    return upload


def get_upload(session: Session, dataset_id: UUID, upload_id: UUID, *, lock: bool = False) -> DirectUpload:
    """Read an upload of a dataset. lock: take turns with others who register it. Raises NotFoundError."""
    statement = select(DirectUpload).where(DirectUpload.id == upload_id, DirectUpload.dataset_id == dataset_id)
    if lock:
        statement = statement.with_for_update()
    upload = session.scalar(statement.execution_options(populate_existing=True))
    if upload is None:
        raise NotFoundError(f"The dataset has no upload {upload_id}; it may have run out.")
    return upload


def run_out(session: Session, grace: timedelta, limit: int) -> Sequence[DirectUpload]:
    """Uploads that nobody can write to any more, locked against being registered at this moment."""
    return session.scalars(
        select(DirectUpload)
        .where(DirectUpload.expires_at < func.clock_timestamp() - grace)
        .order_by(DirectUpload.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def forget(session: Session, ids: Collection[UUID]) -> None:
    """Remove the rows of uploads that have left nothing in the bucket."""
    session.execute(delete(DirectUpload).where(DirectUpload.id.in_(ids)))


def duplicates(session: Session, dataset_id: UUID, digests: Collection[str]) -> dict[str, list[Sample]]:
    """The samples of a dataset that have one of these contents, by content, oldest first."""
    found: dict[str, list[Sample]] = {}
    rows = session.scalars(
        select(Sample)
        .where(
            Sample.dataset_id == dataset_id,
            or_(Sample.digest.in_(digests), Sample.sha256.in_(digests)),
            PRESENT,
        )
        .order_by(Sample.created_at, Sample.id)
    )
    for row in rows:
        found.setdefault(row.known_sha256 or row.digest, []).append(row)
    return found
