"""Jobs as rows: asked for, read, cancelled, tried again; and what is to be published of them."""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, ScalarSelect, and_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fourpoint_core import tracing
from fourpoint_core.domain.access import Caller
from fourpoint_core.domain.jobs import AttemptOutcome, JobState, Verdict, judge
from fourpoint_core.errors import JobStateError, NotFoundError, QueueFullError
from fourpoint_core.jobs.contracts import JobKind, Payload, Queue
from fourpoint_core.store import authorship
from fourpoint_core.store.models import Job, JobAttempt
from fourpoint_core.store.queries import members
from fourpoint_core.store.queries.job_transitions import (
    JOBS,
    STOPPED_RENEWING,
    close_attempt,
    database_time,
    end_without_right,
    lease_of,
    locked,
    requeue,
    situation,
)
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page
from fourpoint_core.store.session import MAX_QUEUED


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be published: the job's id, to the queue of its kind; in which trace, if in any."""

    job_id: UUID
    kind: str
    queue: str
    traceparent: str | None = None

    @classmethod
    def about(cls, job: Job) -> "Message":
        """The message that has a worker look at the job."""
        return cls(job.id, job.kind, job.queue, job.traceparent)


_MESSAGE = (JOBS.c.id, JOBS.c.kind, JOBS.c.queue, JOBS.c.traceparent)


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
    deadline_seconds: float | None = None,
) -> Message:
    """Queue a job; it exists, and will be run, once the transaction commits.

    It counts as dispatched from then on: who commits publishes the message next, and says so where that
    fails. Who dies in between leaves a message that looks lost, and the sweep publishes it.
    deadline_seconds: from now on, in place of its kind's. Raises QueueFullError, see `MAX_QUEUED`.
    """
    traceparent = tracing.traceparent()
    values = {
        "id": job_id,
        "kind": kind.name,
        "queue": kind.queue.value,
        "payload": payload.to_json(),
        "created_by": author,
        "dataset_id": dataset_id,
        "sample_id": sample_id,
        "request_id": request_id,
        "traceparent": traceparent,
        "max_attempts": kind.max_attempts,
        "deadline_at": func.clock_timestamp() + timedelta(seconds=deadline_seconds or kind.deadline_seconds),
        "dispatched_at": func.clock_timestamp(),
        "dispatches": 1,
    }
    if kind.queue in {Queue.IO, Queue.BATCH}:
        # Clicks are not audited, and are not to pay for it.
        authorship.declare(session)
    room = session.info.get(MAX_QUEUED)
    if room is None:
        session.execute(insert(JOBS).values(values))
    elif not _insert_where_room(session, kind.queue, values, room):
        raise _full(kind.queue, room)
    return Message(job_id, kind.name, kind.queue.value, traceparent)


def _insert_where_room(session: Session, queue: Queue, values: dict[str, Any], room: int) -> bool:
    """Insert a job unless `room` others wait in its queue; in one statement, which looks at no more of them.

    Several at once may each find the last place: the bound is exact but for those.
    """
    row = select(*(_literal(name, value) for name, value in values.items())).where(_waiting(queue, room) < room)
    inserted = session.execute(insert(JOBS).from_select(list(values), row))
    return cast(CursorResult[Any], inserted).rowcount == 1


def _waiting(queue: Queue, most: int) -> ScalarSelect[int]:
    """How many jobs wait in a queue, counted no further than `most`."""
    waiting = (
        select(literal(1))
        .where(JOBS.c.state == JobState.QUEUED.value, JOBS.c.queue == queue.value)
        .limit(most)
        .subquery()
    )
    return select(func.count()).select_from(waiting).scalar_subquery()


def _full(queue: Queue, room: int) -> QueueFullError:
    return QueueFullError(f"{room:,} jobs wait in the queue {queue.value!r} already; ask again later.")


def _literal(name: str, value: Any) -> ColumnElement[Any]:
    return value if isinstance(value, ColumnElement) else literal(value, JOBS.c[name].type)


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
        update(JOBS)
        .where(JOBS.c.id.in_(job_ids), JOBS.c.state == JobState.QUEUED.value)
        .values(dispatched_at=None, dispatches=JOBS.c.dispatches - 1)
    )


def request_cancel(session: Session, job_id: UUID) -> Job:
    """Cancel a job: at once where nobody runs it, else at its next stage.

    Raises NotFoundError, or JobStateError where it has ended.
    """
    job = locked(session, job_id)
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    if JobState(job.state).is_final:
        raise JobStateError(f"The job has already {job.state}; there is nothing to cancel.")
    authorship.declare(session)
    job.cancel_requested_at = database_time(session)
    verdict = judge(situation(job), database_time(session))
    if verdict is Verdict.CANCEL:
        end_without_right(session, job, verdict)
    session.flush()
    return job


def retry(session: Session, job_id: UUID, kind: JobKind) -> Job:
    """Queue a job again that failed or was cancelled, with all its tries and time back.

    Raises NotFoundError, JobStateError in any other state, or QueueFullError as for a new one.
    """
    job = locked(session, job_id)
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    if JobState(job.state) not in {JobState.FAILED, JobState.CANCELLED}:
        raise JobStateError(f"Only a failed or cancelled job can be tried again; this one is {job.state}.")
    room, now = session.info.get(MAX_QUEUED), database_time(session)
    if room is not None and session.scalars(select(_waiting(kind.queue, room))).one() >= room:
        raise _full(kind.queue, room)
    authorship.declare(session)
    requeue(job)
    job.error = job.cancel_requested_at = job.finished_at = None
    job.attempts = 0
    # As a new one: it waits from now on, and the caller publishes its message next.
    job.run_after = job.dispatched_at = now
    job.dispatches = 1
    job.deadline_at = now + timedelta(seconds=kind.deadline_seconds)
    try:
        session.flush()
    except IntegrityError as error:
        # Of some kinds, one at a time works on a dataset.
        raise JobStateError("Another job does this by now; wait for it.") from error
    return job


def take_due_for_dispatch(
    session: Session, queue: Queue, redispatch_seconds: float, limit: int
) -> Sequence[Message]:
    """Messages of a queue that were not published, or so long ago that they may be lost; now they count as
    published.

    The pause doubles with each publication, at most to 64 times; there is no upper age, so nothing
    falls out of the window.
    """
    pause = redispatch_seconds * func.power(2.0, func.least(JOBS.c.dispatches - 1, 6))
    long_ago = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, pause)
    due = (
        select(JOBS.c.id)
        .where(
            JOBS.c.state == JobState.QUEUED.value,
            JOBS.c.queue == queue.value,
            or_(JOBS.c.run_after.is_(None), JOBS.c.run_after <= func.clock_timestamp()),
            or_(JOBS.c.dispatched_at.is_(None), JOBS.c.dispatched_at < long_ago),
        )
        .order_by(JOBS.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(
        update(JOBS)
        .where(JOBS.c.id.in_(due))
        .values(dispatched_at=func.clock_timestamp(), dispatches=JOBS.c.dispatches + 1)
        .returning(*_MESSAGE)
    )
    return [Message(*row) for row in rows]


def waiting_in(session: Session, queue: Queue, limit: int, *, newest_first: bool) -> Sequence[Message]:
    """Jobs of a queue that may be run now: the newest first, or those that have waited longest for a turn.

    A job in slices goes to the end when it has had its turn.
    """
    turn = func.coalesce(JOBS.c.run_after, JOBS.c.created_at)
    rows = session.execute(
        select(*_MESSAGE)
        .where(
            JOBS.c.state == JobState.QUEUED.value,
            JOBS.c.queue == queue.value,
            or_(JOBS.c.run_after.is_(None), JOBS.c.run_after <= func.clock_timestamp()),
        )
        .order_by(turn.desc() if newest_first else turn)
        .limit(limit)
    )
    return [Message(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to do in a queue. oldest_seconds: how long one of those waiting has waited, at most.

    From when it might first run: what has been tried again, or has had a turn, waits anew.
    """

    queued: int = 0
    running: int = 0
    oldest_seconds: float = 0.0


def loads(session: Session) -> dict[Queue, Load]:
    """The load of each queue that has any."""
    waiting = JOBS.c.state == JobState.QUEUED.value
    # Of the two the later one that there is.
    due = func.greatest(JOBS.c.created_at, JOBS.c.run_after)
    since = func.extract("epoch", func.clock_timestamp() - func.min(due).filter(waiting))
    rows = session.execute(
        select(
            JOBS.c.queue,
            func.count().filter(waiting),
            func.count().filter(~waiting),
            func.greatest(since, 0),
        )
        .where(JOBS.c.state.in_([JobState.QUEUED.value, JobState.RUNNING.value]))
        .group_by(JOBS.c.queue)
    )
    return {Queue(name): Load(queued, running, float(age)) for name, queued, running, age in rows}


def supersede(session: Session, kind: JobKind, author: UUID) -> Sequence[UUID]:
    """Cancel what somebody has asked for before, of a kind of which only the latest is of use."""
    earlier = session.scalars(
        select(Job.id)
        .where(
            Job.state.in_([JobState.QUEUED.value, JobState.RUNNING.value]),
            Job.kind == kind.name,
            Job.created_by == author,
            Job.cancel_requested_at.is_(None),
        )
        .order_by(Job.id)
    ).all()
    for job_id in earlier:
        with contextlib.suppress(JobStateError):
            request_cancel(session, job_id)
    return earlier


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
        verdict = judge(situation(job), database_time(session))
        if verdict is Verdict.RUN:
            close_attempt(session, lease_of(job), AttemptOutcome.LEASE_EXPIRED, STOPPED_RENEWING)
            requeue(job)
        else:
            end_without_right(session, job, verdict)
    session.flush()
    return stranded
