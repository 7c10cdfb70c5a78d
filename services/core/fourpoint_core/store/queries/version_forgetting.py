"""What follows when a version can no longer be restored: nothing is kept for its sake any more.

Its row goes last, so whoever dies half-way leaves the rest to the next round.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from fourpoint_core.domain.versions import VersionState
from fourpoint_core.store.models import Absence, Version, VersionSample
from fourpoint_core.store.queries import pins, trash


def give_up(session: Session, after: timedelta, limit: int) -> Sequence[UUID]:
    """Versions that were deleted, or failed, longer ago than that: from now on they hold nothing."""
    before = func.clock_timestamp() - after
    failed = and_(Version.state == VersionState.FAILED.value, Version.created_at < before)
    expired = (
        select(Version.id)
        .where(or_(Version.deleted_at < before, failed))
        .order_by(Version.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(
        update(Version)
        .where(Version.id.in_(expired))
        .values(state=VersionState.FAILED.value)
        .returning(Version.id)
        .execution_options(synchronize_session=False)
    ).all()


def forget_some(session: Session, version_id: UUID, samples: int, rows: int) -> bool:
    """Let go of some of what was kept for a version that was given up; whether that was the last of it.

    Samples that were set aside go into the trash; what is left of samples that were deleted goes for good.
    """
    version = session.get(Version, version_id)
    if version is None:
        return False
    aside = trash.no_longer_pinned(version.dataset_id, Absence.SET_ASIDE)
    purged = trash.no_longer_pinned(version.dataset_id, Absence.PURGED)
    left = trash.move_to_trash(session, aside, samples)
    left += trash.purge(session, purged, samples, condemned_by=None).seen
    left += _remove_pins(session, version.dataset_id, rows)
    if not left:
        session.delete(version)
        session.flush()
    return not left


def _remove_pins(session: Session, dataset_id: UUID, limit: int) -> int:
    """Remove rows that no version has any more; those of the present stay, to compare the next version with."""
    key = (VersionSample.sample_id, VersionSample.from_number)
    idle = (
        select(*key)
        .where(VersionSample.dataset_id == dataset_id, VersionSample.to_number.is_not(None), ~pins.IS_HELD)
        .limit(limit)
        .subquery()
    )
    removed = session.execute(
        delete(VersionSample)
        .where(VersionSample.sample_id == idle.c.sample_id, VersionSample.from_number == idle.c.from_number)
        .returning(VersionSample.sample_id)
        .execution_options(synchronize_session=False)
    )
    return len(removed.all())
