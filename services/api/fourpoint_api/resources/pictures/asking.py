"""Holds a request of another tool until its outline is there: such tools know no jobs."""

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response

from fourpoint_api.clients import clients
from fourpoint_api.resources.jobs.operations import cancel, read
from fourpoint_api.resources.pictures import operations
from fourpoint_api.resources.pictures.operations import Picture, Question
from fourpoint_api.web import idempotency
from fourpoint_api.web.auth import caller_with_a_share, current_user_id
from fourpoint_api.web.hanging_up import client_has_hung_up
from fourpoint_api.web.problems import TooBusyError, problem_response
from fourpoint_api.web.waiting import wait_until_final
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import (
    AttemptsExhaustedError,
    CancelledError,
    InvalidInputError,
    JobStateError,
    NoOutlineError,
    NotFoundError,
    ObjectMissingError,
    QueueFullError,
    StorageUnavailableError,
)
from fourpoint_core.ids import new_id
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import Job

# What a request for an outline may be answered instead.
PROBLEMS = (
    InvalidInputError,
    NoOutlineError,
    CancelledError,
    ObjectMissingError,
    AttemptsExhaustedError,
    QueueFullError,
    StorageUnavailableError,
    TooBusyError,
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """outline: in the form that was asked for, see Form. score: how well it meets the clicks, 0 to 1."""

    outline: list[Any]
    score: float


def ask(picture: Picture, question: Question) -> Drawn | Response:
    """The outline, or the answer that says why there is none.

    Raises InvalidInputError, QueueFullError, or TooBusyError where it is not there in time.
    """
    job = _drawn_before() or _draw(picture, question)
    if job.state == JobState.SUCCEEDED.value and job.result is not None:
        return Drawn(job.result["outline"], job.result["score"])
    if JobState(job.state).is_final and job.error is not None:
        error = job.error
        return problem_response(error["code"], error["title"], error["detail"], error["errors"])
    with contextlib.suppress(JobStateError, NotFoundError):
        cancel(clients().sessions, clients().redis, job.id)
    raise TooBusyError("No worker has drawn the outline in time; ask again.")


def _drawn_before() -> Job | None:
    """What became of this request when it was sent before and its answer not kept; None: nothing of use."""
    earlier = idempotency.earlier()
    if earlier is None:
        return None
    try:
        job = read(clients().sessions, UUID(earlier["job_id"]))
    except NotFoundError:
        return None
    return job if job.state == JobState.SUCCEEDED.value else None


def _draw(picture: Picture, question: Question) -> Job:
    """A new job, as it is when it has ended, or when nobody waits any longer."""
    job_id = new_id()
    seconds = clients().settings.max_wait_seconds
    with clients().news.listen(job_id, caller_with_a_share()) as bell:
        message = operations.queue(
            clients().sessions,
            picture,
            question,
            job_id=job_id,
            author=current_user_id(),
            request_id=request_id_var.get(),
            deadline_seconds=seconds,
        )
        clients().dispatcher.dispatch([message])
        return wait_until_final(bell, seconds, partial(read, clients().sessions, job_id), client_has_hung_up)
