"""How a job's row goes from one state to another; for `jobs` and `leases`, which know when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session

from fourpoint_core.domain.jobs import AttemptOutcome, JobSituation, JobState, Verdict
from fourpoint_core.errors import AttemptsExhaustedError, CancelledError, DeadlineExceededError, FourpointError
from fourpoint_core.store.models import Job, JobAttempt

# Bare tables for the statements of every click: the ORM's bookkeeping would cost more than the database.
JOBS = cast(Table, Job.__table__)
ATTEMPTS = cast(Table, JobAttempt.__table__)
STOPPED_RENEWING = "the worker stopped renewing its lease"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to record the result of a job, as long as the number is the row's."""

    job_id: UUID
    number: int


def locked(session: Session, job_id: UUID) -> Job | None:
    """A job's row, held until the transaction ends; None: there is none."""
    return session.scalar(
        select(Job).where(Job.id == job_id).with_for_update().execution_options(populate_existing=True)
    )


def lease_of(job: Job) -> Lease:
    """The lease that the row is, or was last, held under."""
    return Lease(job.id, job.lease_number)


def database_time(session: Session) -> datetime:
    """The database's clock, and no other: workers' clocks differ, and a lease must not depend on whose."""
    time: datetime = session.scalars(select(func.clock_timestamp())).one()
    return time


def situation(job: Job) -> JobSituation:
    """What `domain.jobs.judge` asks of a row."""
    return JobSituation(
        state=JobState(job.state),
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        lease_expires_at=job.lease_expires_at,
        deadline_at=job.deadline_at,
        run_after=job.run_after,
        cancel_requested=job.cancel_requested_at is not None,
    )


def requeue(job: Job) -> None:
    """Let anybody have the job; the sweep publishes its message."""
    job.state = JobState.QUEUED.value
    job.lease_expires_at = None
    job.dispatched_at = None


def end_without_right(session: Session, job: Job, verdict: Verdict) -> None:
    """End a job that may not run any more; a verdict that says nothing of the kind changes nothing."""
    if verdict is Verdict.CANCEL:
        error: FourpointError = CancelledError("The job was cancelled.")
        finish(session, job, JobState.CANCELLED, AttemptOutcome.CANCELLED, error)
    elif verdict is Verdict.EXPIRE:
        error = DeadlineExceededError(
            f"The job did not end before its deadline; try again. {_last_words(session, job)}".rstrip()
        )
        finish(session, job, JobState.FAILED, AttemptOutcome.LEASE_EXPIRED, error)
    elif verdict is Verdict.EXHAUST:
        error = AttemptsExhaustedError(
            f"All {job.max_attempts} attempts ended without a result. {_last_words(session, job)}".rstrip()
        )
        finish(session, job, JobState.FAILED, AttemptOutcome.LEASE_EXPIRED, error)


def finish(
    session: Session,
    job: Job,
    state: JobState,
    outcome: AttemptOutcome,
    error: FourpointError | None = None,
) -> None:
    """End a job and its try."""
    close_attempt(session, lease_of(job), outcome, None if error is None else error.detail)
    job.state = state.value
    job.lease_expires_at = None
    job.finished_at = database_time(session)
    job.error = None if error is None else _error_document(error)
    session.flush()


def close_attempt(session: Session, lease: Lease, outcome: AttemptOutcome, reason: str | None) -> None:
    """Say how a try ended, unless somebody has."""
    session.execute(
        update(ATTEMPTS)
        .where(
            ATTEMPTS.c.job_id == lease.job_id,
            ATTEMPTS.c.lease_number == lease.number,
            ATTEMPTS.c.ended_at.is_(None),
        )
        .values(ended_at=func.clock_timestamp(), outcome=outcome.value, reason=reason)
    )


def _last_words(session: Session, job: Job) -> str:
    """What is known of how the last try ended; a worker that was killed has said nothing."""
    reason = session.scalar(
        select(ATTEMPTS.c.reason).where(
            ATTEMPTS.c.job_id == job.id, ATTEMPTS.c.lease_number == job.lease_number
        )
    )
    return "" if reason is None else f"The last attempt: {reason}"


def _error_document(error: FourpointError) -> dict[str, Any]:
    return {
        "code": error.code,
        "title": error.title,
        "detail": error.detail,
        "errors": [
            {"pointer": item.pointer, "code": item.code, "detail": item.detail} for item in error.errors
        ],
    }
