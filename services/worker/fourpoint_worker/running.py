"""How every job is run: claim, do, record. Only the middle differs from kind to kind.

claim: a short transaction takes the job under a lease. do: the work, with no transaction open. record: a
second short transaction stores the effects and the result together, if the lease is still ours. A process
that dies in between has changed nothing; a job that two messages speak of is run once.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar
from uuid import UUID

from billiard.exceptions import SoftTimeLimitExceeded
from redis import Redis

from fourpoint_core import tracing
from fourpoint_core.actors import Actor, Via, acting
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import (
    DatabaseUnavailableError,
    FourpointError,
    InternalError,
    LeaseLostError,
    Retryable,
    StageOverrunError,
)
from fourpoint_core.jobs.contracts import JobKind
from fourpoint_core.jobs.events import JobEvent, announce
from fourpoint_core.logs import log_context
from fourpoint_core.store.queries import leases
from fourpoint_core.store.queries.leases import ClaimedJob
from fourpoint_core.store.session import Session, Sessions, autocommit, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob, LeaseKeeper
from fourpoint_worker.metrics import LOST, job_metrics

logger = logging.getLogger(__name__)
T = TypeVar("T")

# A restarting PostgreSQL is back within seconds; finished work is worth waiting for it.
_DATABASE_PATIENCE_SECONDS = 20.0
_DATABASE_PAUSE_SECONDS = 0.25
# A job in slices goes on for days; of its later tries there is one span each.
_TRIES_IN_DETAIL = 20


class Unfinished:
    """What `do` returns when a slice of its work is done, and committed, and others are to have a turn."""


class Work(Protocol):
    """What one kind of job does. Shared by all threads of a process."""

    kind: JobKind

    def do(self, payload: Any, job: ActiveJob) -> Any:
        """The work itself, between `job.checkpoint` calls and with no transaction open; or Unfinished."""

    def record(self, session: Session, payload: Any, job: ActiveJob, outcome: Any) -> dict[str, Any]:
        """Store the effects of what `do` returned; the job's result. Committed with the job's end."""


class Runner:
    """Runs jobs of one process, one per thread at a time."""

    def __init__(
        self, sessions: Sessions, redis: "Redis", keeper: LeaseKeeper, lease_seconds: float, worker_name: str
    ):
        self._sessions = sessions
        self._redis = redis
        self._keeper = keeper
        self._lease_seconds = lease_seconds
        self._worker_name = worker_name

    def run(self, work: Work, job_id: UUID) -> None:
        """Handle one message about a job; a job that is not ours to run is left alone."""
        claimed = self._patiently(lambda: self._claim(job_id))
        if claimed is None:
            return
        actor = Actor(Via.WORKER, claimed.created_by, request_id=claimed.request_id, job_id=job_id)
        with (
            _traced(work.kind, claimed) as span,
            log_context(request_id=claimed.request_id, job_id=str(job_id)),
            acting(actor),
            self._keeper.keep(claimed) as job,
        ):
            with job_metrics().one_try(work.kind, claimed.seconds_queued) as outcome:
                state = outcome.state = self._do_and_record(work, claimed, job)
            span.say({"fourpoint.job_state": LOST if state is None else state.value})
            if state is not None:
                logger.info("job %s", state.value, extra={"kind": work.kind.name})
                announce(self._redis, JobEvent(job_id, state))

    def _claim(self, job_id: UUID) -> ClaimedJob | None:
        # Not waiting for the disk saves a click some milliseconds. Should PostgreSQL crash and forget the
        # claim, two workers may hold the same number; the first to record ends the job, the other is refused.
        with autocommit(self._sessions) as session:
            claimed = leases.claim_waiting(session, job_id, self._worker_name, self._lease_seconds)
        if claimed is not None:
            return claimed
        with unit_of_work(self._sessions) as session:
            return leases.claim(session, job_id, self._worker_name, self._lease_seconds)

    def _do_and_record(self, work: Work, claimed: ClaimedJob, job: ActiveJob) -> JobState | None:
        """The state the job is in now; None where it is somebody else's."""
        try:
            payload = work.kind.payload.from_json(claimed.payload)
            outcome = work.do(payload, job)
            job.leave_stages()
            with tracing.step("record"):
                return self._patiently(lambda: self._record(work, payload, job, outcome))
        except LeaseLostError as error:
            _count_lost(error)
            return None
        except DatabaseUnavailableError:
            # Nothing can be recorded, not even this: the lease expires, and the sweep queues the job again.
            logger.warning("the database is away; the job is left to the sweep")
            return None
        except FourpointError as error:
            return self._fail(job, error)
        except SoftTimeLimitExceeded:
            return self._fail(job, StageOverrunError(f"The stage {job.stage!r} took too long; try again."))
        except Exception:
            # A defect must end the job truthfully, or it would be run until its tries are used up.
            logger.exception("the work failed in a way nobody foresaw")
            return self._fail(job, InternalError("The service failed at this job; try again or report it."))

    def _record(self, work: Work, payload: Any, job: ActiveJob, outcome: Any) -> JobState:
        with unit_of_work(self._sessions) as session:
            if isinstance(outcome, Unfinished):
                leases.end_slice(session, job.lease)
                return JobState.QUEUED
            leases.require_lease(session, job.lease)
            result = work.record(session, payload, job, outcome)
            leases.record_success(session, job.lease, result)
            return JobState.SUCCEEDED

    def _fail(self, job: ActiveJob, error: FourpointError) -> JobState | None:
        logger.info("try failed", extra={"code": error.code, "reason": error.detail, "stage": job.stage})
        job.leave_stages()
        tracing.fail(error.code)
        try:
            return self._patiently(lambda: self._record_failure(job, error))
        except LeaseLostError as lost:
            _count_lost(lost)
            return None
        except DatabaseUnavailableError:
            return None

    def _record_failure(self, job: ActiveJob, error: FourpointError) -> JobState:
        with unit_of_work(self._sessions) as session:
            return leases.record_failure(session, job.lease, error, retryable=isinstance(error, Retryable))

    def _patiently(self, step: Callable[[], T]) -> T:
        """Run a transaction, again and again while the database is away.

        Safe for a commit that went through unheard: the lease is then no longer ours, and the step says so.
        """
        give_up_at = time.monotonic() + _DATABASE_PATIENCE_SECONDS
        while True:
            try:
                return step()
            except DatabaseUnavailableError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(_DATABASE_PAUSE_SECONDS)


def _count_lost(error: LeaseLostError) -> None:
    """Counted where work hears of it: a renewal that finds the job ended may have found its own end."""
    job_metrics().leases_lost.inc()
    logger.warning("result dropped", extra={"reason": error.detail})


def _traced(kind: JobKind, claimed: ClaimedJob) -> AbstractContextManager[tracing.Span]:
    """The span of one try: below the message that brought it, else below the request that asked for it."""
    parent = claimed.traceparent if tracing.traceparent() is None else None
    if claimed.lease.number == 1:
        # Of a later try the row knows only when the job was asked for.
        tracing.past("queue", claimed.seconds_queued, parent)
    facts: tracing.Facts = {
        "fourpoint.job_id": str(claimed.lease.job_id),
        "fourpoint.lease_number": claimed.lease.number,
    }
    room = tracing.ROOM if claimed.lease.number <= _TRIES_IN_DETAIL else 0
    return tracing.work(kind.name, "consumer", parent=parent, facts=facts, room=room)
