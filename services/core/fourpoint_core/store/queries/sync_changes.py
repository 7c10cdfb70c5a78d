"""What a synchronisation does to samples, some at a time. Rows are locked in one order, by id."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from fourpoint_core.domain.history import Action
from fourpoint_core.domain.reconcile import STAND_IN_PREFIX
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import (
    KEPT,
    Annotation,
    Revision,
    Sample,
    SyncItem,
    UploadIntent,
)
from fourpoint_core.store.queries import annotations
from fourpoint_core.store.queries.revision_rows import MECHANICAL, Save


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """An image as bucket and header describe it. digest: see Sample.digest."""

    key: str
    etag: str
    size: int
    modified_at: datetime | None
    digest: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sample whose file is missing, and that may be found under another key.

    sha256: of its bytes, if anybody knows.
    """

    id: UUID
    key: str
    etag: str
    size: int
    annotations: int
    sha256: str | None


def free_keys(session: Session, dataset_id: UUID, keys: Collection[str]) -> set[str]:
    """Those of the keys that no sample has, and that are not being uploaded or removed at this moment.

    What is promised to an upload stays so until the transaction ends.
    """
    taken = set(
        session.scalars(
            select(UploadIntent.object_key)
            .where(UploadIntent.object_key.in_(keys))
            .order_by(UploadIntent.object_key)
            .with_for_update()
        )
    )
    # Looked for after the promises, which waits for whoever redeems his own at this moment.
    taken |= set(
        session.scalars(
            select(Sample.object_key).where(Sample.dataset_id == dataset_id, Sample.object_key.in_(keys))
        )
    )
    return set(keys) - taken


def add(session: Session, dataset_id: UUID, found: Sequence[ObjectFacts], author: UUID) -> dict[str, UUID]:
    """Make samples of objects; the ids of those that were made, by key."""
    if not found:
        return {}
    rows = [
        {
            "id": new_id(),
            "dataset_id": dataset_id,
            "name": one.key.rpartition("/")[2],
            "created_by": author,
            **_object_columns(one),
        }
        for one in found
    ]
    statement = insert(Sample).on_conflict_do_nothing().returning(Sample.object_key, Sample.id)
    return {row.object_key: row.id for row in session.execute(statement, rows)}


def hold(session: Session, ids: Collection[UUID]) -> dict[UUID, Sample]:
    """The samples of these that are not in the trash, locked against saves."""
    rows = session.scalars(
        select(Sample)
        .where(Sample.id.in_(ids), KEPT)
        .order_by(Sample.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


def mark_missing(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Note that the files of samples are gone; of those that were there until now."""
    hold(session, ids)
    return set(
        session.scalars(
            update(Sample)
            .where(Sample.id.in_(ids), KEPT, Sample.missing_since.is_(None))
            .values(missing_since=func.clock_timestamp())
            .returning(Sample.id)
            .execution_options(synchronize_session=False)
        )
    )


def rename(session: Session, sample: Sample, key: str, etag: str, modified_at: datetime | None) -> None:
    """Follow a file to its new key; its bytes are the same."""
    _change(
        session,
        sample.id,
        object_key=key,
        name=key.rpartition("/")[2],
        object_etag=etag,
        object_modified_at=modified_at,
        missing_since=None,
    )


def retag(session: Session, sample: Sample, etag: str, modified_at: datetime | None) -> None:
    """Note that the same bytes were written again."""
    _change(session, sample.id, object_etag=etag, object_modified_at=modified_at, missing_since=None)


def replace(session: Session, sample: Sample, found: ObjectFacts, author: UUID) -> int | None:
    """Note that other bytes lie under a sample's key.

    Its objects stay where the image has the size that they were drawn in. Where it has another, they are taken
    out in a revision of their own, whose number is returned; history keeps them.
    """
    resized = (sample.width, sample.height) != (found.width, found.height)
    revision = None
    if resized and sample.annotation_count:
        rows = annotations.current_rows(session, sample.id)
        annotations.settle(session, [Save(sample, closed=list(rows.values()))], Action.SYNC, author)
        revision = sample.revision
    values = _object_columns(found)
    _change(session, sample.id, **values, sha256=None, missing_since=None, changed_at=func.clock_timestamp())
    return revision


def note_sha256(session: Session, key: str, etag: str, sha256: str) -> None:
    """Keep what somebody has found out who read all bytes of an object, for all samples that show it."""
    session.execute(
        update(Sample)
        .where(
            Sample.object_key == key,
            Sample.object_etag == etag,
            Sample.sha256.is_(None),
            Sample.digest.startswith(STAND_IN_PREFIX),
        )
        .values(sha256=sha256)
        .execution_options(synchronize_session=False)
    )


def known_sha256(session: Session, digest: str) -> str | None:
    """SHA-256 of the bytes that a stand-in stands for, if anybody has read them."""
    return session.scalar(
        select(Sample.sha256).where(Sample.digest == digest, Sample.sha256.is_not(None)).limit(1)
    )


def confirm_change(session: Session, sample: Sample) -> None:
    """Somebody has looked at the image since other bytes were found."""
    _change(session, sample.id, changed_at=None)


# Renames


def vanished(session: Session, job_id: UUID, dataset_id: UUID, after: UUID, limit: int) -> list[Candidate]:
    """Samples whose files are missing, since this run or longer; the next ones by id."""
    missed_now = select(SyncItem.sample_id).where(SyncItem.job_id == job_id, SyncItem.outcome == "missing")
    rows = session.scalars(
        select(Sample)
        .where(
            Sample.dataset_id == dataset_id,
            KEPT,
            Sample.id > after,
            or_(Sample.missing_since.is_not(None), Sample.id.in_(missed_now)),
        )
        .order_by(Sample.id)
        .limit(limit)
    )
    return [
        Candidate(
            row.id, row.object_key, row.object_etag, row.size_bytes, row.annotation_count, row.known_sha256
        )
        for row in rows
    ]


# Documents


def edited_here(session: Session, ids: Collection[UUID]) -> set[UUID]:
    """Those of the samples that somebody has saved since the last time that a synchronisation did."""
    mechanical = [action.value for action in MECHANICAL]
    by_a_sync = aliased(Revision)
    synced = (
        select(func.coalesce(func.max(by_a_sync.number), 0))
        .where(by_a_sync.sample_id == Sample.id, by_a_sync.action == Action.SYNC.value)
        .correlate(Sample)
        .scalar_subquery()
    )
    statement = (
        select(Sample.id)
        .join(Revision, Revision.sample_id == Sample.id)
        .where(Sample.id.in_(ids), Revision.action.not_in(mechanical), Revision.number > synced)
        .distinct()
    )
    return set(session.scalars(statement))


def documents(session: Session, ids: Collection[UUID]) -> dict[UUID, dict[UUID, Annotation]]:
    """The objects of the current documents of samples, by sample and id."""
    found: dict[UUID, dict[UUID, Annotation]] = {sample_id: {} for sample_id in ids}
    rows = session.scalars(
        select(Annotation)
        .where(Annotation.sample_id.in_(ids), Annotation.valid_to.is_(None))
        .execution_options(populate_existing=True)
    )
    for row in rows:
        found[row.sample_id][row.annotation_id] = row
    return found


def images_under(session: Session, dataset_id: UUID, keys: Collection[str]) -> dict[str, Sample]:
    """The samples of a dataset under these keys, but those in the trash, by key."""
    rows = session.scalars(
        select(Sample).where(Sample.dataset_id == dataset_id, Sample.object_key.in_(keys), KEPT)
    )
    return {row.object_key: row for row in rows}


def _change(session: Session, sample_id: UUID, **values: Any) -> None:
    session.execute(
        update(Sample)
        .where(Sample.id == sample_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _object_columns(found: ObjectFacts) -> dict[str, Any]:
    return {
        "object_key": found.key,
        "object_etag": found.etag,
        "object_modified_at": found.modified_at,
        "digest": found.digest,
        "media_type": found.media_type,
        "size_bytes": found.size,
        "width": found.width,
        "height": found.height,
    }
