"""The next unlabeled image for a labeler, which nobody else is given meanwhile."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.filters import SampleFilter, Sort
from fourpoint_core.store.models import Sample, SampleLease
from fourpoint_core.store.queries import sample_filters

_TRIES = 100


@dataclass(frozen=True, slots=True)
class Lease:
    """A sample that is one labeler's until expires_at."""

    sample: Sample
    expires_at: datetime


def take_next(
    session: Session,
    dataset_id: UUID,
    wanted: SampleFilter,
    sort: Sort,
    user_id: UUID,
    length: timedelta,
    skip: Collection[UUID] = (),
) -> Lease | None:
    """Give a labeler the first sample of the order that nobody else has; None: there is none left.

    Who has one already gets the same again, for another `length`. skip: samples to pass over; the labeler's
    leases on them end.
    """
    if skip:
        session.execute(delete(SampleLease).where(SampleLease.sample_id.in_(skip), _of(user_id)))
    candidates = sample_filters.ordered_ids(dataset_id, wanted, sort)
    if skip:
        candidates = candidates.where(Sample.id.not_in(skip))
    held = session.scalar(candidates.where(exists().where(_OF_SAMPLE, _of(user_id), _VALID)).limit(1))
    if held is not None and (lease := _lease(session, dataset_id, held, user_id, length)) is not None:
        return lease
    free = (
        candidates.where(~exists().where(_OF_SAMPLE, _VALID))
        .limit(1)
        # Whoever is choosing at this moment holds the row: look past it, and at what is being saved.
        .with_for_update(of=Sample, key_share=True, skip_locked=True)
    )
    for _ in range(_TRIES):
        sample_id = session.scalar(free)
        if sample_id is None:
            return None
        lease = _lease(session, dataset_id, sample_id, user_id, length)
        # Somebody may have chosen it, and committed, after the statement above had looked for leases.
        if lease is not None:
            return lease
    return None


def release(session: Session, sample_id: UUID, user_id: UUID) -> None:
    """Give a sample back; nothing happens when it is not this labeler's."""
    session.execute(delete(SampleLease).where(SampleLease.sample_id == sample_id, _of(user_id)))


def forget_expired(session: Session, limit: int) -> int:
    """Remove leases that ended by themselves."""
    ended = (
        select(SampleLease.sample_id)
        .where(~_VALID)
        .order_by(SampleLease.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = session.execute(
        delete(SampleLease).where(SampleLease.sample_id.in_(ended)).returning(SampleLease.sample_id)
    )
    return len(gone.all())


_OF_SAMPLE: ColumnElement[bool] = SampleLease.sample_id == Sample.id
_VALID: ColumnElement[bool] = SampleLease.expires_at > func.clock_timestamp()


def _of(user_id: UUID) -> ColumnElement[bool]:
    return SampleLease.user_id == user_id


def _lease(
    session: Session, dataset_id: UUID, sample_id: UUID, user_id: UUID, length: timedelta
) -> Lease | None:
    expires_at = func.clock_timestamp() + length
    values = {"dataset_id": dataset_id, "user_id": user_id, "expires_at": expires_at}
    taken = session.scalar(
        insert(SampleLease)
        .values(sample_id=sample_id, **values)
        .on_conflict_do_update(
            index_elements=[SampleLease.sample_id],
            set_=values,
            where=or_(_of(user_id), ~_VALID),
        )
        .returning(SampleLease.expires_at)
    )
    if taken is None:
        return None
    sample = session.get(Sample, sample_id, populate_existing=True)
    return None if sample is None else Lease(sample, taken)
