"""What the API refuses, as typed exceptions."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from fourpoint_client.models import Changes, FieldProblem, Job


class ProblemError(Exception):
    """A request that was refused, or a job that failed: branch on `code`, show the message to a person.

    status: of the answer; None when a job failed after its request had been accepted. errors: what is wrong
    with which field. request_id: finds the request in the service's logs.
    """

    def __init__(self, facts: Mapping[str, Any]):
        super().__init__(facts["detail"])
        self.code: str = facts["code"]
        self.title: str = facts["title"]
        self.status: int | None = facts.get("status")
        self.errors: Sequence[FieldProblem] = facts.get("errors") or []
        self.request_id: str | None = facts.get("request_id")
        self.job_id: str | None = facts.get("job_id")

    def at(self, pointer: str) -> FieldProblem | None:
        """What is said about one field, such as `/points/top`."""
        return next((error for error in self.errors if error["pointer"] == pointer), None)


class UnauthenticatedError(ProblemError):
    """The token is missing, unknown, revoked or expired."""


class ForbiddenError(ProblemError):
    """The token is good, but not for this."""


class NotFoundError(ProblemError):
    """Nothing is there, or nothing that this caller may see."""


class ConflictError(ProblemError):
    """The state of something stands against the request."""


class StaleError(ProblemError):
    """Somebody changed the resource since the state in `If-Match`. changes: what happened to annotations."""

    def __init__(self, facts: Mapping[str, Any]):
        super().__init__(facts)
        self.current_etag: str | None = facts.get("current_etag")
        self.changes: Changes | None = facts.get("changes")


class InvalidError(ProblemError):
    """Fields are wrong: `errors` says which."""


class BusyError(ProblemError):
    """Too many requests, or a full queue, even after trying again."""


_BY_STATUS: dict[int, type[ProblemError]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: StaleError,
    422: InvalidError,
    429: BusyError,
    503: BusyError,
}


def problem_of(response: httpx.Response) -> ProblemError:
    """The exception that an answer stands for, whoever sent it."""
    kind = _BY_STATUS.get(response.status_code, ProblemError)
    if response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return kind(response.json())
    # Not the API's words: a proxy's, most likely. One that leads elsewhere asks for another address.
    to = f" It leads to {response.headers['Location']}." if response.has_redirect_location else ""
    return kind(
        {
            "code": f"http_{response.status_code}",
            "title": response.reason_phrase,
            "detail": f"The answer was {response.status_code} {response.reason_phrase}, without a reason.{to}",
            "status": response.status_code,
            "request_id": response.headers.get("X-Request-ID"),
        }
    )


def problem_of_job(job: Job) -> ProblemError:
    """The exception that a job ended with."""
    said = {
        "code": job["state"],
        "title": f"The job has {job['state']}",
        "detail": f"The job {job['id']} has {job['state']}.",
    }
    return ProblemError({**said, **(job["error"] or {}), "job_id": job["id"], "status": None})
