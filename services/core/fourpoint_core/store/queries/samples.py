"""Samples and uploads."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, load_only

from fourpoint_core.errors import NotFoundError
from fourpoint_core.store.models import KEPT, Dataset, Sample, UploadIntent
from fourpoint_core.store.queries.datasets import LIVE


def get_sample(session: Session, sample_id: UUID, *, lock: bool = False, share: bool = False) -> Sample:
    """Read a sample of a live dataset, and not of its trash. Raises NotFoundError.

    lock: hold it against other saves; share: keep saves out while its document is read.
    """
    statement = _LOCKED if lock else _SHARED if share else _FOUND
    sample: Sample | None = session.scalar(statement, {"sample_id": sample_id})
    if sample is None:
        raise no_sample(sample_id)
    return sample


def lock_document(session: Session, sample_id: UUID) -> Sample:
    """Hold a sample against other saves. Raises NotFoundError.

    Of the row only what a save asks for is read: see `OF_DOCUMENTS`; to ask for more is an error.
    """
    sample: Sample | None = session.scalar(_LOCKED_DOCUMENT, {"sample_id": sample_id})
    if sample is None:
        raise no_sample(sample_id)
    return sample


@dataclass(frozen=True, slots=True)
class Photograph:
    """What a prompt is drawn on: where a sample's bytes are, and how large the upright image is."""

    dataset_id: UUID
    digest: str
    object_key: str
    width: int
    height: int


def get_photograph(session: Session, sample_id: UUID) -> Photograph:
    """Read the little of a sample that a click needs. Raises NotFoundError, as `get_sample` does."""
    row = session.execute(_PHOTOGRAPH, {"sample_id": sample_id}).one_or_none()
    if row is None:
        raise no_sample(sample_id)
    return Photograph(*row)


def samples_by_id(session: Session, ids: Collection[UUID]) -> dict[UUID, Sample]:
    """Those of the samples that are there, the trash included."""
    return {row.id: row for row in session.scalars(select(Sample).where(Sample.id.in_(ids)))}


def reserve_key(session: Session, upload_id: UUID, key: str) -> bool:
    """Promise `key` to an upload, unless a sample or another upload has it."""
    promised = session.scalar(
        insert(UploadIntent)
        .values(object_key=key, upload_id=upload_id)
        .on_conflict_do_nothing()
        .returning(UploadIntent.object_key)
    )
    if promised is None:
        return False
    # Looked for after the promise, which waits for whoever redeems his own at this moment. The other way
    # round we would promise a key that has just become a sample's, and the sweep could take its object.
    if not is_referred(session, key):
        return True
    forget_intents(session, [key])
    return False


def promised_keys(session: Session, upload_id: UUID) -> Sequence[str]:
    """The keys that an upload holds, locked against the sweep."""
    return session.scalars(
        select(UploadIntent.object_key).where(UploadIntent.upload_id == upload_id).with_for_update()
    ).all()


def redeem_keys(session: Session, upload_id: UUID) -> set[str]:
    """End the promises of an upload; the keys returned are those it still held."""
    return set(
        session.scalars(
            delete(UploadIntent).where(UploadIntent.upload_id == upload_id).returning(UploadIntent.object_key)
        )
    )


def add_samples(session: Session, samples: Iterable[Sample]) -> None:
    """Store new samples."""
    session.add_all(samples)
    session.flush()


def abandoned_key(session: Session, older_than: timedelta) -> str | None:
    """The key of an upload, or of a removal, that died; locked until the transaction ends."""
    return session.scalar(
        select(UploadIntent.object_key)
        .where(UploadIntent.created_at < func.clock_timestamp() - older_than)
        .order_by(UploadIntent.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def is_referred(session: Session, key: str) -> bool:
    """Whether a sample refers to the object."""
    return session.scalar(select(Sample.id).where(Sample.object_key == key).limit(1)) is not None


def condemn_keys(session: Session, keys: Collection[str], *, by: UUID) -> None:
    """Write down that these objects are about to be removed, so that whoever dies leaves them to the sweep."""
    if keys:
        intents = [{"object_key": key, "upload_id": by} for key in sorted(keys)]
        session.execute(insert(UploadIntent).values(intents).on_conflict_do_nothing())


def forget_intents(session: Session, keys: Collection[str]) -> None:
    """Remove the promises of keys whose objects are gone."""
    session.execute(delete(UploadIntent).where(UploadIntent.object_key.in_(keys)))


def no_sample(sample_id: UUID) -> NotFoundError:
    """What is said of a sample that is not there."""
    return NotFoundError(f"There is no sample {sample_id}.")


# Built once: it is part of every click, twice.
_PHOTOGRAPH = (
    select(Sample.dataset_id, Sample.digest, Sample.object_key, Sample.width, Sample.height)
    .join(Dataset, Dataset.id == Sample.dataset_id)
    .where(Sample.id == bindparam("sample_id"), LIVE, KEPT)
)
# The same of every save, and of every look at a document.
_FOUND = (
    select(Sample)
    .join(Dataset, Dataset.id == Sample.dataset_id)
    .where(Sample.id == bindparam("sample_id"), LIVE, KEPT)
    .execution_options(populate_existing=True)
)
_LOCKED = _FOUND.with_for_update(of=Sample, key_share=True)
# Two dozen columns more would be a quarter of the time that a save takes to read what it is about.
OF_DOCUMENTS = (
    Sample.id,
    Sample.dataset_id,
    Sample.width,
    Sample.height,
    Sample.revision,
    Sample.annotation_count,
)
_LOCKED_DOCUMENT = _LOCKED.options(load_only(*OF_DOCUMENTS, raiseload=True))
_SHARED = _FOUND.with_for_update(of=Sample, read=True)
