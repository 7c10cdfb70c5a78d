"""The job table as a queue that cannot lose: claims, leases, results, and what the sweep asks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.access import Caller
from fourpoint_core.domain.jobs import AttemptOutcome, JobSituation, JobState, Verdict, judge, retry_pause
from fourpoint_core.errors import (
    AttemptsExhaustedError,
    CancelledError,
    DeadlineExceededError,
    FourpointError,
    JobStateError,
    LeaseLostError,
    NotFoundError,
)
from fourpoint_core.jobs.contracts import JobKind, Payload, Queue
from fourpoint_core.store.models import Job, JobAttempt, WorkerProcess
from fourpoint_core.store.queries import members
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page

# Bare tables for the statements of every click: the ORM's bookkeeping would cost more than the database.
_JOBS = cast(Table, Job.__table__)
_ATTEMPTS = cast(Table, JobAttempt.__table__)
_STOPPED_RENEWING = "the worker stopped renewing its lease"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to record the result of a job, as long as the number is the row's."""

    job_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job in a worker's hands."""

    lease: Lease
    payload: dict[str, Any]
    created_by: UUID
    request_id: str | None
    seconds_left: float
    seconds_queued: float


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be published: the job's id, to the queue of its kind."""

    job_id: UUID
    kind: str
    queue: str

    @classmethod
    def about(cls, job: Job) -> "Message":
        """The message that has a worker look at the job."""
        return cls(job.id, job.kind, job.queue)


def add_job(
    session: Session,
    kind: JobKind,
    payload: Payload,
    *,
    job_id: UUID,
    author: UUID,
    dataset_id: UUID | None,
    sample_id: UUID | None,
    request_id: str | None,
) -> Message:
    """Queue a job; it exists, and will be run, once the transaction commits.

    It counts as dispatched from then on: who commits publishes the message next, and says so where that
    fails. Who dies in between leaves a message that looks lost, and the sweep publishes it.
    """
    session.execute(
        insert(_JOBS).values(
            id=job_id,
            kind=kind.name,
            queue=kind.queue.value,
            payload=payload.to_json(),
            created_by=author,
            dataset_id=dataset_id,
            sample_id=sample_id,
            request_id=request_id,
            max_attempts=kind.max_attempts,
            deadline_at=func.clock_timestamp() + timedelta(seconds=kind.deadline_seconds),
            dispatched_at=func.clock_timestamp(),
            dispatches=1,
        )
    )
    return Message(job_id, kind.name, kind.queue.value)


def get_job(session: Session, job_id: UUID) -> Job:
    """Read a job. Raises NotFoundError."""
    job = session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    return job


def attempts_of(session: Session, job_id: UUID) -> Sequence[JobAttempt]:
    """The tries of a job, first to last."""
    return session.scalars(
        select(JobAttempt).where(JobAttempt.job_id == job_id).order_by(JobAttempt.lease_number)
    ).all()


def list_jobs(
    session: Session,
    caller: Caller,
    *,
    state: JobState | None,
    dataset_id: UUID | None,
    after: Keyset | None,
    limit: int,
) -> Page[Job]:
    """A page of the jobs that the caller may see, oldest first: of a dataset, or those the caller started."""
    statement = select(Job).where(members.visible_jobs(caller))
    if dataset_id is None and not caller.acts_as_admin:
        # One index serves the filter and the order; all jobs of all one's datasets would take a sort.
        statement = statement.where(Job.created_by == caller.user_id)
    if state is not None:
        statement = statement.where(Job.state == state.value)
    if dataset_id is not None:
        statement = statement.where(Job.dataset_id == dataset_id)
    return fetch_page(session, statement, Job, after, limit)


def take_back_dispatch(session: Session, job_ids: Collection[UUID]) -> None:
    """Note that these messages were not published after all; the sweep will."""
    session.execute(
        update(_JOBS)
        .where(_JOBS.c.id.in_(job_ids), _JOBS.c.state == JobState.QUEUED.value)
        .values(dispatched_at=None, dispatches=_JOBS.c.dispatches - 1)
    )


def claim(session: Session, job_id: UUID, worker: str, lease_seconds: float) -> ClaimedJob | None:
    """Take a job, if it is free to be run; ends it where it has no right to run any more.

    Two messages about one job, or a message about a job that is done, come out as None.
    """
    job = _locked(session, job_id)
    if job is None:
        return None
    now = _now(session)
    verdict = judge(_situation(job), now)
    if verdict is not Verdict.RUN:
        _end_without_right(session, job, verdict)
        return None
    if job.state == JobState.RUNNING.value:
        _close_attempt(session, _lease_of(job), AttemptOutcome.LEASE_EXPIRED, _STOPPED_RENEWING)
    lease = Lease(job.id, job.lease_number + 1)
    session.execute(
        update(_JOBS)
        .where(_JOBS.c.id == job.id)
        .values(
            state=JobState.RUNNING.value,
            lease_number=lease.number,
            attempts=_JOBS.c.attempts + 1,
            lease_expires_at=now + timedelta(seconds=lease_seconds),
            worker=worker,
            started_at=func.coalesce(_JOBS.c.started_at, now),
            run_after=None,
        )
    )
    session.execute(insert(_ATTEMPTS).values(job_id=job.id, lease_number=lease.number, worker=worker))
    return ClaimedJob(
        lease=lease,
        payload=job.payload,
        created_by=job.created_by,
        request_id=job.request_id,
        seconds_left=(job.deadline_at - now).total_seconds(),
        seconds_queued=(now - job.created_at).total_seconds(),
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
    held = session.execute(select(_JOBS.c.id).where(_is_held(lease)).with_for_update())
    if held.one_or_none() is None:
        raise _lost()


def record_success(session: Session, lease: Lease, result: dict[str, Any]) -> None:
    """End a job well, in the same transaction as its effects.

    Raises LeaseLostError when somebody else owns it now: the effects must then be rolled back.
    """
    ended = session.execute(
        update(_JOBS)
        .where(_is_held(lease))
        .values(
            state=JobState.SUCCEEDED.value,
            result=result,
            error=None,
            lease_expires_at=None,
            finished_at=func.clock_timestamp(),
        )
        .returning(_JOBS.c.id)
    )
    if ended.one_or_none() is None:
        raise _lost()
    _close_attempt(session, lease, AttemptOutcome.SUCCEEDED, None)


def record_failure(session: Session, lease: Lease, error: FourpointError, *, retryable: bool) -> JobState:
    """End a try badly: the job is queued again where another try may help. Raises LeaseLostError."""
    job = _owned(session, lease)
    if isinstance(error, CancelledError):
        _finish(session, job, JobState.CANCELLED, AttemptOutcome.CANCELLED, error)
    elif retryable and job.attempts < job.max_attempts:
        _close_attempt(session, _lease_of(job), AttemptOutcome.RETRY, error.detail)
        _requeue(job)
        job.run_after = _now(session) + retry_pause(job.attempts)
    else:
        _finish(session, job, JobState.FAILED, AttemptOutcome.FAILED, error)
    session.flush()
    return JobState(job.state)


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
    session.execute(
        update(Job)
        .where(
            tuple_(Job.id, Job.lease_number).in_([(lease.job_id, lease.number) for lease in leases]),
            Job.state == JobState.RUNNING.value,
        )
        .values(lease_expires_at=func.clock_timestamp())
    )


def request_cancel(session: Session, job_id: UUID) -> Job:
    """Cancel a job: at once where nobody runs it, else at its next stage.

    Raises NotFoundError, or JobStateError where it has ended.
    """
    job = _locked(session, job_id)
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    if JobState(job.state).is_final:
        raise JobStateError(f"The job has already {job.state}; there is nothing to cancel.")
    job.cancel_requested_at = _now(session)
    verdict = judge(_situation(job), _now(session))
    if verdict is Verdict.CANCEL:
        _end_without_right(session, job, verdict)
    session.flush()
    return job


def retry(session: Session, job_id: UUID, kind: JobKind) -> Job:
    """Queue a job again that failed or was cancelled, with all its tries and time back.

    Raises NotFoundError, or JobStateError in any other state.
    """
    job = _locked(session, job_id)
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    if JobState(job.state) not in {JobState.FAILED, JobState.CANCELLED}:
        raise JobStateError(f"Only a failed or cancelled job can be tried again; this one is {job.state}.")
    _requeue(job)
    job.error = job.run_after = job.cancel_requested_at = job.finished_at = None
    job.attempts = 0
    # As a new one: the caller publishes its message next.
    job.dispatched_at = _now(session)
    job.dispatches = 1
    job.deadline_at = _now(session) + timedelta(seconds=kind.deadline_seconds)
    session.flush()
    return job


def take_due_for_dispatch(
    session: Session, queue: Queue, redispatch_seconds: float, limit: int
) -> Sequence[Message]:
    """Messages of a queue that were not published, or so long ago that they may be lost; now they count as
    published.

    The pause doubles with each publication, at most to 64 times; there is no upper age, so nothing
    falls out of the window.
    """
    pause = redispatch_seconds * func.power(2.0, func.least(_JOBS.c.dispatches - 1, 6))
    long_ago = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, pause)
    due = (
        select(_JOBS.c.id)
        .where(
            _JOBS.c.state == JobState.QUEUED.value,
            _JOBS.c.queue == queue.value,
            or_(_JOBS.c.run_after.is_(None), _JOBS.c.run_after <= func.clock_timestamp()),
            or_(_JOBS.c.dispatched_at.is_(None), _JOBS.c.dispatched_at < long_ago),
        )
        .order_by(_JOBS.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(
        update(_JOBS)
        .where(_JOBS.c.id.in_(due))
        .values(dispatched_at=func.clock_timestamp(), dispatches=_JOBS.c.dispatches + 1)
        .returning(_JOBS.c.id, _JOBS.c.kind, _JOBS.c.queue)
    )
    return [Message(*row) for row in rows]


def settle_stranded(session: Session, limit: int) -> Sequence[Job]:
    """Queue again, or end, the jobs that nobody runs any more; those it changed are returned.

    A running job whose lease has expired, and a queued one whose time is up.
    """
    now = func.clock_timestamp()
    stranded = session.scalars(
        select(Job)
        .where(
            or_(
                and_(Job.state == JobState.RUNNING.value, Job.lease_expires_at <= now),
                and_(Job.state == JobState.QUEUED.value, Job.deadline_at <= now),
            )
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for job in stranded:
        verdict = judge(_situation(job), _now(session))
        if verdict is Verdict.RUN:
            _close_attempt(session, _lease_of(job), AttemptOutcome.LEASE_EXPIRED, _STOPPED_RENEWING)
            _requeue(job)
        else:
            _end_without_right(session, job, verdict)
    session.flush()
    return stranded


def greet(session: Session, name: str, queues: list[str], engine: str | None, digest: str | None) -> None:
    """A worker process says that it is there and consumes."""
    values = {"queues": queues, "engine": engine, "model_digest": digest, "seen_at": func.clock_timestamp()}
    session.execute(
        insert(WorkerProcess)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=[WorkerProcess.name], set_=values)
    )


def take_leave(session: Session, name: str) -> None:
    """A worker process has stopped consuming."""
    session.execute(WorkerProcess.__table__.delete().where(WorkerProcess.name == name))  # type: ignore[attr-defined]


def workers_seen(session: Session, within: timedelta) -> Sequence[WorkerProcess]:
    """The processes heard of lately."""
    return session.scalars(
        select(WorkerProcess).where(WorkerProcess.seen_at > func.clock_timestamp() - within)
    ).all()


def forget_silent_workers(session: Session, after: timedelta) -> None:
    """Remove processes not heard of for long."""
    session.execute(
        WorkerProcess.__table__.delete().where(  # type: ignore[attr-defined]
            WorkerProcess.seen_at < func.clock_timestamp() - after
        )
    )


def _locked(session: Session, job_id: UUID) -> Job | None:
    return session.scalar(
        select(Job).where(Job.id == job_id).with_for_update().execution_options(populate_existing=True)
    )


def _lease_of(job: Job) -> Lease:
    return Lease(job.id, job.lease_number)


def _is_held(lease: Lease) -> ColumnElement[bool]:
    return and_(
        _JOBS.c.id == lease.job_id,
        _JOBS.c.lease_number == lease.number,
        _JOBS.c.state == JobState.RUNNING.value,
    )


def _lost() -> LeaseLostError:
    return LeaseLostError("Another worker owns the job, or it has ended; this result is dropped.")


def _owned(session: Session, lease: Lease) -> Job:
    require_lease(session, lease)
    return get_job(session, lease.job_id)


def _now(session: Session) -> datetime:
    # The database's clock only: workers' clocks differ, and a lease must not depend on whose.
    now: datetime = session.scalars(select(func.clock_timestamp())).one()
    return now


def _situation(job: Job) -> JobSituation:
    return JobSituation(
        state=JobState(job.state),
        attempts=job.attempts,
        max_attempts=job.max_attempts,
        lease_expires_at=job.lease_expires_at,
        deadline_at=job.deadline_at,
        run_after=job.run_after,
        cancel_requested=job.cancel_requested_at is not None,
    )


def _requeue(job: Job) -> None:
    job.state = JobState.QUEUED.value
    job.lease_expires_at = None
    job.dispatched_at = None


def _end_without_right(session: Session, job: Job, verdict: Verdict) -> None:
    if verdict is Verdict.CANCEL:
        error: FourpointError = CancelledError("The job was cancelled.")
        _finish(session, job, JobState.CANCELLED, AttemptOutcome.CANCELLED, error)
    elif verdict is Verdict.EXPIRE:
        error = DeadlineExceededError("The job did not end before its deadline; try again.")
        _finish(session, job, JobState.FAILED, AttemptOutcome.LEASE_EXPIRED, error)
    elif verdict is Verdict.EXHAUST:
        error = AttemptsExhaustedError(f"All {job.max_attempts} attempts ended without a result.")
        _finish(session, job, JobState.FAILED, AttemptOutcome.LEASE_EXPIRED, error)


def _finish(
    session: Session,
    job: Job,
    state: JobState,
    outcome: AttemptOutcome,
    error: FourpointError | None = None,
) -> None:
    _close_attempt(session, _lease_of(job), outcome, None if error is None else error.detail)
    job.state = state.value
    job.lease_expires_at = None
    job.finished_at = _now(session)
    job.error = None if error is None else _error_document(error)
    session.flush()


def _close_attempt(session: Session, lease: Lease, outcome: AttemptOutcome, reason: str | None) -> None:
    session.execute(
        update(_ATTEMPTS)
        .where(
            _ATTEMPTS.c.job_id == lease.job_id,
            _ATTEMPTS.c.lease_number == lease.number,
            _ATTEMPTS.c.ended_at.is_(None),
        )
        .values(ended_at=func.clock_timestamp(), outcome=outcome.value, reason=reason)
    )


def _error_document(error: FourpointError) -> dict[str, Any]:
    return {
        "code": error.code,
        "title": error.title,
        "detail": error.detail,
        "errors": [
            {"pointer": item.pointer, "code": item.code, "detail": item.detail} for item in error.errors
        ],
    }
