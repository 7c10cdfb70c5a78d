"""What can be done with jobs; no HTTP."""

from collections.abc import Sequence
from uuid import UUID

from redis import Redis

from fourpoint_core.domain.access import Caller
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import KINDS, JobKind, Payload
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.events import JobEvent, announce
from fourpoint_core.store.models import Job, JobAttempt
from fourpoint_core.store.queries import jobs
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Session, Sessions, autocommit, reading, unit_of_work


def queue(
    session: Session,
    kind: JobKind,
    payload: Payload,
    *,
    author: UUID,
    request_id: str | None,
    dataset_id: UUID,
    sample_id: UUID | None = None,
    job_id: UUID | None = None,
) -> Job:
    """Queue a job within the caller's transaction, to be shown and, behind the commit, dispatched.

    job_id: where something refers to the job already.
    """
    message = jobs.add_job(
        session,
        kind,
        payload,
        job_id=job_id or new_id(),
        author=author,
        dataset_id=dataset_id,
        sample_id=sample_id,
        request_id=request_id,
    )
    return jobs.get_job(session, message.job_id)


def read(sessions: Sessions, job_id: UUID) -> Job:
    """A job's row. Raises NotFoundError."""
    with autocommit(sessions) as session:
        return jobs.get_job(session, job_id)


def read_with_attempts(sessions: Sessions, job_id: UUID) -> tuple[Job, Sequence[JobAttempt]]:
    """A job and its tries. Raises NotFoundError."""
    with reading(sessions) as session:
        return jobs.get_job(session, job_id), jobs.attempts_of(session, job_id)


def listing(
    sessions: Sessions,
    caller: Caller,
    state: str | None,
    dataset_id: UUID | None,
    after: Keyset | None,
    limit: int,
) -> Page[Job]:
    """A page of the jobs that the caller may see."""
    with reading(sessions) as session:
        wanted = None if state is None else JobState(state)
        return jobs.list_jobs(session, caller, state=wanted, dataset_id=dataset_id, after=after, limit=limit)


def cancel(sessions: Sessions, redis: Redis, job_id: UUID) -> Job:
    """Cancel a job, and wake who waits for it. Raises NotFoundError or JobStateError."""
    with unit_of_work(sessions) as session:
        job = jobs.request_cancel(session, job_id)
    announce(redis, JobEvent(job.id, JobState(job.state)))
    return job


def retry(sessions: Sessions, dispatcher: Dispatcher, job_id: UUID) -> Job:
    """Queue a job again. Raises NotFoundError or JobStateError."""
    with unit_of_work(sessions) as session:
        job = jobs.get_job(session, job_id)
        job = jobs.retry(session, job_id, KINDS[job.kind])
    dispatcher.dispatch([jobs.Message.about(job)])
    return job
