"""Who runs a job, and what counts of what they did: claims, leases and results."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Double,
    Integer,
    Select,
    String,
    Update,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.jobs import AttemptOutcome, JobState, Verdict, judge, retry_pause
from fourpoint_core.errors import CancelledError, FourpointError, LeaseLostError
from fourpoint_core.store.models import Job, JobAttempt
from fourpoint_core.store.queries.job_transitions import (
    ATTEMPTS,
    JOBS,
    STOPPED_RENEWING,
    Lease,
    close_attempt,
    database_time,
    end_without_right,
    finish,
    lease_of,
    locked,
    requeue,
    situation,
)
from fourpoint_core.store.queries.jobs import get_job

__all__ = ["Lease"]


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job in a worker's hands."""

    lease: Lease
    payload: dict[str, Any]
    created_by: UUID
    request_id: str | None
    seconds_left: float
    seconds_queued: float
    traceparent: str | None = None


def claim_waiting(session: Session, job_id: UUID, worker: str, lease_seconds: float) -> ClaimedJob | None:
    """Take a job that is queued and in order, as nearly all are, in one statement; None: see `claim`.

    The loss of a claim costs a repetition at most, so its commit does not wait for the disk.
    """
    row = session.execute(
        _CLAIM_WAITING, {"job_id": job_id, "worker": worker, "lease_seconds": lease_seconds}
    ).one_or_none()
    if row is None:
        return None
    number, payload, created_by, request_id, traceparent, seconds_left, seconds_queued, _ = row
    return ClaimedJob(
        lease=Lease(job_id, number),
        payload=payload,
        created_by=created_by,
        request_id=request_id,
        seconds_left=float(seconds_left),
        seconds_queued=float(seconds_queued),
        traceparent=traceparent,
    )


def claim(session: Session, job_id: UUID, worker: str, lease_seconds: float) -> ClaimedJob | None:
    """Take a job, if it is free to be run; ends it where it has no right to run any more.

    Two messages about one job, or a message about a job that is done, come out as None.
    """
    job = locked(session, job_id)
    if job is None:
        return None
    now = database_time(session)
    verdict = judge(situation(job), now)
    if verdict is not Verdict.RUN:
        end_without_right(session, job, verdict)
        return None
    if job.state == JobState.RUNNING.value:
        close_attempt(session, lease_of(job), AttemptOutcome.LEASE_EXPIRED, STOPPED_RENEWING)
    lease = Lease(job.id, job.lease_number + 1)
    session.execute(
        update(JOBS)
        .where(JOBS.c.id == job.id)
        .values(
            state=JobState.RUNNING.value,
            lease_number=lease.number,
            attempts=JOBS.c.attempts + 1,
            lease_expires_at=now + timedelta(seconds=lease_seconds),
            worker=worker,
            started_at=func.coalesce(JOBS.c.started_at, now),
            run_after=None,
        )
    )
    session.execute(insert(ATTEMPTS).values(job_id=job.id, lease_number=lease.number, worker=worker))
    return ClaimedJob(
        lease=lease,
        payload=job.payload,
        created_by=job.created_by,
        request_id=job.request_id,
        seconds_left=(job.deadline_at - now).total_seconds(),
        seconds_queued=(now - job.created_at).total_seconds(),
        traceparent=job.traceparent,
    )


def renew(session: Session, leases: Collection[Lease], lease_seconds: float) -> dict[Lease, bool]:
    """Prolong leases. Returns those still held, each with whether its job is to be cancelled."""
    if not leases:
        return {}
    rows = session.execute(
        update(Job)
        .where(
            tuple_(Job.id, Job.lease_number).in_([(lease.job_id, lease.number) for lease in leases]),
            Job.state == JobState.RUNNING.value,
        )
        .values(lease_expires_at=func.clock_timestamp() + timedelta(seconds=lease_seconds))
        .returning(Job.id, Job.lease_number, Job.cancel_requested_at)
    )
    return {Lease(job_id, number): cancel_at is not None for job_id, number, cancel_at in rows}


def require_lease(session: Session, lease: Lease) -> None:
    """Make sure that the job is ours, and keep it so until the transaction ends. Raises LeaseLostError."""
    held = session.execute(select(JOBS.c.id).where(_is_held(lease)).with_for_update())
    if held.one_or_none() is None:
        raise _lost()


def record_success(session: Session, lease: Lease, result: dict[str, Any]) -> None:
    """End a job well, in the same transaction as its effects.

    Raises LeaseLostError when somebody else owns it now: the effects must then be rolled back.
    """
    ended = session.execute(
        _SUCCEED, {"held_id": lease.job_id, "held_number": lease.number, "what_came_out": result}
    )
    if ended.one_or_none() is None:
        raise _lost()


def record_failure(session: Session, lease: Lease, error: FourpointError, *, retryable: bool) -> JobState:
    """End a try badly: the job is queued again where another try may help. Raises LeaseLostError."""
    job = _owned(session, lease)
    if isinstance(error, CancelledError):
        finish(session, job, JobState.CANCELLED, AttemptOutcome.CANCELLED, error)
    elif retryable and job.attempts < job.max_attempts:
        close_attempt(session, lease_of(job), AttemptOutcome.RETRY, error.detail)
        requeue(job)
        job.run_after = database_time(session) + retry_pause(job.attempts)
    else:
        finish(session, job, JobState.FAILED, AttemptOutcome.FAILED, error)
    session.flush()
    return JobState(job.state)


def end_slice(session: Session, lease: Lease) -> None:
    """Let others have a turn before this job goes on: it is queued again, behind them, with all its tries.

    It counts as dispatched; should nobody take it up, the sweep publishes its message. Raises LeaseLostError.
    """
    job = _owned(session, lease)
    session.execute(
        delete(ATTEMPTS).where(ATTEMPTS.c.job_id == lease.job_id, ATTEMPTS.c.lease_number == lease.number)
    )
    requeue(job)
    job.attempts = 0
    job.run_after = job.dispatched_at = database_time(session)
    job.dispatches = 1
    session.flush()


def report_progress(session: Session, lease: Lease, progress: dict[str, Any]) -> None:
    """Say how far a job is. Raises LeaseLostError."""
    _owned(session, lease).progress = progress
    session.flush()


def add_progress(session: Session, lease: Lease, done: dict[str, int]) -> None:
    """Add to how far a job is, over all its tries: committed with the work that it counts.

    Raises LeaseLostError.
    """
    job = _owned(session, lease)
    before = job.progress or {}
    job.progress = {name: before.get(name, 0) + count for name, count in done.items()}
    session.flush()


def note_overrun(session: Session, lease: Lease, reason: str) -> None:
    """Keep why the process is about to end itself; the lease is left to expire."""
    session.execute(
        update(JobAttempt)
        .where(JobAttempt.job_id == lease.job_id, JobAttempt.lease_number == lease.number)
        .values(outcome=AttemptOutcome.OVERRUN.value, reason=reason, ended_at=func.clock_timestamp())
    )


def give_back(session: Session, leases: Collection[Lease]) -> None:
    """Let others have these jobs at once, without waiting for the leases to expire."""
    session.execute(_give_back(leases).values(lease_expires_at=func.clock_timestamp()))


def give_back_untried(session: Session, leases: Collection[Lease]) -> None:
    """As `give_back`, of jobs that are not why it ends: the try does not count, and leaves no trace."""
    returned = session.execute(
        _give_back(leases)
        .values(lease_expires_at=func.clock_timestamp(), attempts=JOBS.c.attempts - 1)
        .returning(JOBS.c.id, JOBS.c.lease_number)
    ).all()
    tries = tuple_(ATTEMPTS.c.job_id, ATTEMPTS.c.lease_number).in_([tuple(row) for row in returned])
    session.execute(delete(ATTEMPTS).where(tries))


def _give_back(leases: Collection[Lease]) -> Update:
    held = tuple_(JOBS.c.id, JOBS.c.lease_number).in_([(lease.job_id, lease.number) for lease in leases])
    return update(JOBS).where(held, JOBS.c.state == JobState.RUNNING.value)


def deaths_of(session: Session, job_id: UUID) -> int:
    """How many tries of a job ended with their process, as far as that is known; none that was given back."""
    died = (AttemptOutcome.LEASE_EXPIRED.value, AttemptOutcome.OVERRUN.value)
    counted = select(func.count()).where(ATTEMPTS.c.job_id == job_id, ATTEMPTS.c.outcome.in_(died))
    return session.scalar(counted) or 0


def _is_held(lease: Lease) -> ColumnElement[bool]:
    return and_(
        JOBS.c.id == lease.job_id,
        JOBS.c.lease_number == lease.number,
        JOBS.c.state == JobState.RUNNING.value,
    )


def _lost() -> LeaseLostError:
    return LeaseLostError("Another worker owns the job, or it has ended; this result is dropped.")


def _owned(session: Session, lease: Lease) -> Job:
    require_lease(session, lease)
    return get_job(session, lease.job_id)


def _claim_waiting() -> Select[Any]:
    """What `domain.jobs.judge` says of a queued job, as the condition of an update.

    Parameters: job_id, worker, lease_seconds.
    """
    now = func.clock_timestamp()
    worker: BindParameter[str] = bindparam("worker", type_=String)
    claimed = (
        update(JOBS)
        .where(
            JOBS.c.id == bindparam("job_id", type_=JOBS.c.id.type),
            JOBS.c.state == JobState.QUEUED.value,
            JOBS.c.cancel_requested_at.is_(None),
            JOBS.c.deadline_at > now,
            JOBS.c.attempts < JOBS.c.max_attempts,
            or_(JOBS.c.run_after.is_(None), JOBS.c.run_after <= now),
        )
        .values(
            state=JobState.RUNNING.value,
            lease_number=JOBS.c.lease_number + 1,
            attempts=JOBS.c.attempts + 1,
            lease_expires_at=now + _seconds(bindparam("lease_seconds", type_=Double)),
            worker=worker,
            started_at=func.coalesce(JOBS.c.started_at, now),
            run_after=None,
        )
        .returning(*JOBS.c)
        .cte("claimed")
    )
    attempt = (
        insert(ATTEMPTS)
        .from_select(["job_id", "lease_number", "worker"], select(claimed.c.id, claimed.c.lease_number, worker))
        .cte("attempt")
    )
    return select(
        claimed.c.lease_number,
        claimed.c.payload,
        claimed.c.created_by,
        claimed.c.request_id,
        claimed.c.traceparent,
        func.extract("epoch", claimed.c.deadline_at - now),
        func.extract("epoch", now - claimed.c.created_at),
        func.set_config("synchronous_commit", "off", True),
    ).add_cte(attempt)


def _succeed() -> Select[Any]:
    """End job and try in one statement. Parameters: held_id, held_number, what_came_out."""
    now = func.clock_timestamp()
    held_id = bindparam("held_id", type_=JOBS.c.id.type)
    held_number = bindparam("held_number", type_=Integer)
    ended = (
        update(JOBS)
        .where(JOBS.c.id == held_id, JOBS.c.lease_number == held_number, JOBS.c.state == JobState.RUNNING.value)
        .values(
            state=JobState.SUCCEEDED.value,
            result=bindparam("what_came_out", type_=JOBS.c.result.type),
            error=None,
            lease_expires_at=None,
            finished_at=now,
        )
        .returning(JOBS.c.id)
        .cte("ended")
    )
    closed = (
        update(ATTEMPTS)
        .where(
            ATTEMPTS.c.job_id == ended.c.id,
            ATTEMPTS.c.lease_number == held_number,
            ATTEMPTS.c.ended_at.is_(None),
        )
        .values(ended_at=now, outcome=AttemptOutcome.SUCCEEDED.value, reason=None)
        .cte("closed")
    )
    return select(ended.c.id).add_cte(closed)


def _seconds(count: ColumnElement[float]) -> ColumnElement[timedelta]:
    return func.make_interval(0, 0, 0, 0, 0, 0, count)


# Built once: they are part of every click.
_CLAIM_WAITING = _claim_waiting()
_SUCCEED = _succeed()
