"""Routes of jobs: list, read, wait, follow, cancel, retry."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from fourpoint_api.clients import Clients, clients
from fourpoint_api.resources.jobs import operations, schemas
from fourpoint_api.resources.jobs.holding import hold, started
from fourpoint_api.resources.jobs.rendering import as_json, render
from fourpoint_api.web import examples, leaving, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import caller_with_a_share, current_caller, needs, signed_in
from fourpoint_api.web.documented import problems, waits
from fourpoint_api.web.problems import TooBusyError
from fourpoint_api.web.response_headers import sends
from fourpoint_api.web.waiting import LOOK_AGAIN_SECONDS
from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import InvalidInputError, JobStateError, NotFoundError, QueueFullError

blueprint = Blueprint("jobs", __name__, url_prefix="/v1/jobs", description="Background work")

STREAM_SECONDS = 600
HEARTBEAT_SECONDS = 10


@blueprint.route("")
class Jobs(MethodView):
    """All jobs."""

    @signed_in(Scope.READ)
    @blueprint.doc(operationId="listJobs")
    @blueprint.arguments(schemas.JobQuerySchema, location="query")
    @blueprint.response(200, schemas.JobPageSchema, example={"items": [examples.JOB], "next_cursor": None})
    @problems(blueprint, InvalidInputError)
    def get(self, query: dict[str, Any]) -> Any:
        """List jobs, oldest first: those of a dataset, or those that you started; an admin sees all."""
        scope = f"jobs {query['state']} {query['dataset_id']}"
        after = paging.read_cursor(query["cursor"], scope)
        page = operations.listing(
            clients().sessions, current_caller(), query["state"], query["dataset_id"], after, query["limit"]
        )
        body, headers = paging.page_body(page, scope, render, None)
        return body, 200, headers


@blueprint.route("/<uuid:job_id>")
class OneJob(MethodView):
    """One job."""

    @blueprint.doc(operationId="getJob")
    @blueprint.response(200, schemas.JobSchema, example=examples.JOB)
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError, TooBusyError)
    def get(self, job_id: UUID) -> Any:
        """Read a job; `Prefer: wait=N` holds the answer until it ends or N seconds have passed."""
        hold(operations.read(clients().sessions, job_id))
        return render(*operations.read_with_attempts(clients().sessions, job_id))


# One event: OpenAPI 3.1 has no words for a stream of them.
_EVENT = {
    "type": "object",
    "properties": {
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        },
    },
    "required": ["event", "data"],
}
_EVENT_EXAMPLE = f"event: job\ndata: {json.dumps(examples.JOB)}\n\n"


@blueprint.route("/<uuid:job_id>/events")
class JobEvents(MethodView):
    """The life of one job as it happens."""

    @sends(blueprint, "Cache-Control")
    @blueprint.doc(
        operationId="streamJobEvents",
        responses={
            "200": {
                "description": "Server-sent events named `job`; the data is the job.",
                "content": {"text/event-stream": {"schema": _EVENT, "example": _EVENT_EXAMPLE}},
            }
        },
    )
    @problems(blueprint, NotFoundError, TooBusyError)
    def get(self, job_id: UUID) -> Response:
        """Follow a job as server-sent events, until it ends or ten minutes have passed.

        A process that leaves ends its streams earlier: connect again where the last event is not the job's end.
        """
        operations.read(clients().sessions, job_id)
        seat = ExitStack()
        bell = seat.enter_context(clients().news.listen(job_id, caller_with_a_share(), is_stream=True))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        response = Response(_events(clients(), job_id, bell), mimetype="text/event-stream", headers=headers)
        # Not in the generator: one that was never started is never finished either.
        response.call_on_close(seat.close)
        return response


@blueprint.route("/<uuid:job_id>/cancel")
class JobCancellation(MethodView):
    """The wish that a job ends."""

    @needs(Role.OWNER, scope=Scope.LABEL)
    @blueprint.doc(operationId="cancelJob")
    @blueprint.response(200, schemas.JobSchema, example={**examples.JOB, "state": "cancelled"})
    @problems(blueprint, NotFoundError, JobStateError)
    def post(self, job_id: UUID) -> Any:
        """Cancel a job: at once while it waits, at its next stage while it runs."""
        operations.cancel(clients().sessions, clients().redis, job_id)
        return render(*operations.read_with_attempts(clients().sessions, job_id))


@blueprint.route("/<uuid:job_id>/retry")
class JobRetry(MethodView):
    """Another chance for a job."""

    @needs(Role.OWNER, scope=Scope.LABEL)
    @blueprint.doc(operationId="retryJob")
    @blueprint.response(202, schemas.JobSchema, example=examples.JOB)
    @waits
    @problems(blueprint, NotFoundError, JobStateError, InvalidInputError, QueueFullError)
    def post(self, job_id: UUID) -> Response:
        """Queue a failed or cancelled job again, with all its attempts and time back."""
        return started(operations.retry(clients().sessions, clients().dispatcher, job_id))


def _events(held: Clients, job_id: UUID, bell: threading.Event) -> Iterator[str]:
    last, deadline, quiet_since = "", time.monotonic() + STREAM_SECONDS, time.monotonic()
    while time.monotonic() < deadline:
        job, attempts = operations.read_with_attempts(held.sessions, job_id)
        document = as_json(job, attempts)
        if document != last:
            yield f"event: job\ndata: {document}\n\n"
            last, quiet_since = document, time.monotonic()
        if JobState(job.state).is_final or leaving.time_is_up():
            return
        bell.wait(LOOK_AGAIN_SECONDS)
        bell.clear()
        if time.monotonic() - quiet_since > HEARTBEAT_SECONDS:
            # Tells proxies that the line is alive, and us when the client has hung up.
            yield ": still here\n\n"
            quiet_since = time.monotonic()
