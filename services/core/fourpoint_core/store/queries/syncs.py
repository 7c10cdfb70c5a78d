"""Synchronisations of a dataset: which one runs, how far it is, and when the next one is due.

One runs at a time: a unique index on the open jobs sees to it, however they come about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import NotFoundError, SyncRunningError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import SYNC_DATASET
from fourpoint_core.jobs.payloads.syncs import Cause, Phase, SyncDataset
from fourpoint_core.store.models import Dataset, Job, SyncItem, SyncRun
from fourpoint_core.store.queries import jobs
from fourpoint_core.store.queries.datasets import LIVE
from fourpoint_core.store.queries.jobs import Message

# Of each dataset: more than anybody scrolls back, and a report of a million lines is not kept for ever.
RUNS_KEPT = 10
_OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class Due:
    """A dataset that is to be synchronised now, on whose behalf, and why."""

    dataset_id: UUID
    author: UUID
    cause: Cause


def start(
    session: Session,
    dataset_id: UUID,
    cause: Cause,
    *,
    author: UUID,
    dry_run: bool = False,
    request_id: str | None = None,
) -> Message:
    """Queue a synchronisation. Raises SyncRunningError; the transaction can then only be rolled back."""
    job_id = new_id()
    try:
        message = jobs.add_job(
            session,
            SYNC_DATASET,
            SyncDataset(dataset_id, dry_run),
            job_id=job_id,
            author=author,
            dataset_id=dataset_id,
            sample_id=None,
            request_id=request_id,
        )
    except IntegrityError as error:
        raise running(None) from error
    session.add(SyncRun(job_id=job_id, dataset_id=dataset_id, cause=cause.value, dry_run=dry_run, counts={}))
    session.flush()
    return message


def running(job_id: UUID | None) -> SyncRunningError:
    """The error of somebody who came second."""
    return SyncRunningError("The dataset is being synchronised; wait for that, or cancel it.", job_id)


def running_job(session: Session, dataset_id: UUID) -> UUID | None:
    """The job that synchronises the dataset, or will."""
    return session.scalar(
        select(Job.id).where(Job.dataset_id == dataset_id, Job.kind == SYNC_DATASET.name, Job.state.in_(_OPEN))
    )


def get_run(session: Session, job_id: UUID) -> SyncRun:
    """How far a synchronisation is. Raises NotFoundError."""
    run = session.get(SyncRun, job_id, populate_existing=True)
    if run is None:
        raise NotFoundError(f"There is no synchronisation {job_id}.")
    return run


def latest(session: Session, dataset_id: UUID, job_id: UUID | None = None) -> tuple[SyncRun, Job] | None:
    """The dataset's last synchronisation, or the one of that job; None where there is none."""
    statement = select(SyncRun, Job).join(Job, Job.id == SyncRun.job_id).where(SyncRun.dataset_id == dataset_id)
    if job_id is not None:
        statement = statement.where(SyncRun.job_id == job_id)
    row = session.execute(statement.order_by(SyncRun.created_at.desc()).limit(1)).one_or_none()
    return None if row is None else (row[0], row[1])


def advance(
    session: Session, job_id: UUID, phase: Phase, cursor: str, counts: dict[str, int] | None = None
) -> SyncRun:
    """Note how far the work is, in the transaction that did it; counts are added to those there are."""
    run = get_run(session, job_id)
    run.phase, run.cursor = phase.value, cursor
    if counts:
        run.counts = {**run.counts, **{name: run.counts.get(name, 0) + n for name, n in counts.items()}}
    session.flush()
    return run


def finish(session: Session, job_id: UUID, counts: dict[str, int]) -> None:
    """Note what a synchronisation did in all."""
    session.execute(
        update(SyncRun)
        .where(SyncRun.job_id == job_id)
        .values(phase=Phase.DONE.value, counts=counts, finished_at=func.clock_timestamp())
    )


# Automatically


def ask(session: Session, keys: Sequence[str], pause: timedelta) -> int:
    """Have the datasets that these keys lie in synchronised soon; of how many.

    pause: what else happens until then is part of the same synchronisation.
    """
    below = func.unnest(keys).table_valued("key", name="told").render_derived()
    touched = select(Dataset.id).join(below, func.starts_with(below.c.key, Dataset.input_path)).where(LIVE)
    soon = func.clock_timestamp() + pause
    # `least` leaves out what is NULL.
    rows = session.scalars(
        update(Dataset)
        .where(Dataset.id.in_(touched))
        .values(sync_due_at=func.least(Dataset.sync_due_at, soon))
        .returning(Dataset.id)
        .execution_options(synchronize_session=False)
    )
    return len(rows.all())


def take_due(session: Session, limit: int) -> Sequence[Due]:
    """The datasets whose time has come and that nobody synchronises; their next time is noted.

    A dataset is left alone for as long as its last synchronisation took, so that a bucket in which something
    always happens is listed half of the time at most.
    """
    rows = session.execute(_TAKE_DUE, {"limit": limit})
    return [Due(row.id, row.created_by, Cause(row.cause)) for row in rows]


_TAKE_DUE = text(
    """
    WITH due AS (
        SELECT id, auto_sync_minutes FROM datasets
        WHERE sync_due_at <= clock_timestamp() AND deleted_at IS NULL
            AND NOT EXISTS (
                SELECT FROM jobs WHERE jobs.dataset_id = datasets.id
                    AND kind = 'sync_dataset' AND state IN ('queued', 'running')
            )
            AND NOT EXISTS (
                SELECT FROM (
                    SELECT created_at, finished_at FROM sync_runs WHERE dataset_id = datasets.id
                    ORDER BY created_at DESC LIMIT 1
                ) last
                WHERE finished_at + (finished_at - created_at) > clock_timestamp()
            )
        ORDER BY sync_due_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE datasets SET sync_due_at = clock_timestamp() + due.auto_sync_minutes * interval '1 minute'
    FROM due WHERE datasets.id = due.id
    RETURNING datasets.id, datasets.created_by,
        CASE WHEN due.auto_sync_minutes IS NULL THEN 'notification' ELSE 'schedule' END AS cause
    """
)


def forget_old_runs(session: Session, limit: int) -> int:
    """Remove up to `limit` lines of reports that nobody reads any more, and then the runs; how many went."""
    rank = func.row_number().over(partition_by=SyncRun.dataset_id, order_by=SyncRun.created_at.desc())
    ranked = select(SyncRun.job_id, rank.label("rank")).subquery()
    old = session.scalars(select(ranked.c.job_id).where(ranked.c.rank > RUNS_KEPT).limit(limit)).all()
    if not old:
        return 0
    lines = select(SyncItem.job_id, SyncItem.object_key).where(SyncItem.job_id.in_(old)).limit(limit).subquery()
    gone = session.execute(
        delete(SyncItem)
        .where(SyncItem.job_id == lines.c.job_id, SyncItem.object_key == lines.c.object_key)
        .returning(SyncItem.job_id)
        .execution_options(synchronize_session=False)
    ).all()
    if len(gone) < limit:
        session.execute(
            delete(SyncRun).where(SyncRun.job_id.in_(old)).execution_options(synchronize_session=False)
        )
    return len(gone) + len(old)


def set_schedule(session: Session, dataset_id: UUID, minutes: int | None) -> None:
    """Synchronise every so many minutes from now on, or only when asked."""
    due: Any = None if minutes is None else func.clock_timestamp() + timedelta(minutes=minutes)
    session.execute(
        update(Dataset).where(Dataset.id == dataset_id).values(auto_sync_minutes=minutes, sync_due_at=due)
    )
