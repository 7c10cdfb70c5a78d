"""Answers that are held until a job ends, where the client would have them so: `Prefer: wait=N`."""

from functools import partial
from uuid import UUID

from flask import Response

from fourpoint_api.clients import clients
from fourpoint_api.resources.jobs import operations
from fourpoint_api.resources.jobs.rendering import accepted
from fourpoint_api.web import idempotency
from fourpoint_api.web.auth import caller_with_a_share
from fourpoint_api.web.hanging_up import client_has_hung_up
from fourpoint_api.web.preferences import preferred_wait, waited
from fourpoint_api.web.problems import TooBusyError
from fourpoint_api.web.waiting import wait_until_final
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import DatabaseUnavailableError
from fourpoint_core.store.models import Job


def hold(job: Job) -> Job:
    """The job as it is when it ends, or when the client has waited for as long as it would.

    Raises InvalidInputError where the preference is none; TooBusyError where too many wait already.
    """
    seconds = preferred_wait(clients().settings.max_wait_seconds)
    if not seconds or JobState(job.state).is_final:
        return job
    return _wait(job.id, seconds)


def started(job: Job) -> Response:
    """202: the job that does the work, held where the client would wait for its end.

    Where too many wait already, or the database goes away meanwhile, the answer comes at once: the job is
    queued, and can be asked for.
    """
    try:
        return accepted(hold(job))
    except (TooBusyError, DatabaseUnavailableError):
        return accepted(job)


def started_before() -> Job | None:
    """The job that this request started when it was sent before; None: it was not. Raises NotFoundError."""
    earlier = idempotency.earlier()
    return None if earlier is None else operations.read(clients().sessions, UUID(earlier["job_id"]))


def _wait(job_id: UUID, seconds: float) -> Job:
    with clients().news.listen(job_id, caller_with_a_share()) as bell:
        waited(seconds)
        # It may have ended before anyone listened.
        bell.set()
        read = partial(operations.read, clients().sessions, job_id)
        return wait_until_final(bell, seconds, read, client_has_hung_up)
