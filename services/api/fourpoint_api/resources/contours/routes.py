"""The route of the main job: from clicks to an outline."""

from contextlib import ExitStack
from threading import Event
from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.contours import operations, schemas
from fourpoint_api.resources.filters.schemas import filter_of
from fourpoint_api.resources.jobs.holding import hold, started, started_before
from fourpoint_api.resources.jobs.operations import cancel, read
from fourpoint_api.resources.jobs.rendering import accepted
from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.web import examples, idempotency, plain_json
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import caller_with_a_share, current_user_id
from fourpoint_api.web.documented import problems, waits
from fourpoint_api.web.hanging_up import client_has_hung_up
from fourpoint_api.web.preferences import preferred_wait, waited
from fourpoint_api.web.problems import TooBusyError, problem_response
from fourpoint_api.web.waiting import wait_until_final
from fourpoint_core.domain.filters import SORTS
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import (
    AttemptsExhaustedError,
    CancelledError,
    DatabaseUnavailableError,
    IdTakenError,
    InvalidInputError,
    NoOutlineError,
    NotFoundError,
    ObjectMissingError,
    StorageUnavailableError,
)
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import SaveMode
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import Job

# How long the outline of a click is worth having when the wait for it is over: whoever polls has so long.
GRACE_SECONDS = 30.0
blueprint = Blueprint("contours", __name__, url_prefix="/v1/samples", description="Clicks to outlines")


@blueprint.route("/<uuid:sample_id>/contours")
class Contours(MethodView):
    """Outlines drawn by the engine."""

    @blueprint.doc(operationId="inferContour")
    @blueprint.arguments(schemas.ContourRequestSchema, example={"points": examples.POINTS})
    @blueprint.response(200, schemas.InferenceSchema, example=examples.INFERENCE)
    @blueprint.alt_response(202, schema=JobSchema, example=examples.JOB, description="The job goes on")
    @waits
    @problems(
        blueprint,
        NotFoundError,
        InvalidInputError,
        NoOutlineError,
        IdTakenError,
        CancelledError,
        ObjectMissingError,
        AttemptsExhaustedError,
        StorageUnavailableError,
    )
    def post(self, body: dict[str, Any], sample_id: UUID) -> Any:
        """Infer an outline from four extreme points, in any order or by name, or from a box.

        `Prefer: wait=N` holds the answer until the outline is there (200); else, or when N seconds have
        passed, the answer is 202 and a job. Where nothing is saved, whoever hangs up while waiting cancels
        the job, and it ends half a minute after the wait at the latest.
        """
        earlier = started_before()
        if earlier is not None:
            return _answer(hold(earlier))
        seconds = preferred_wait(clients().settings.max_wait_seconds)
        job_id = new_id()
        wanted = operations.ContourRequest(
            _prompt(body), body["save"], body["annotation_id"], body["label_id"], body["label"]
        )
        # Who names the request will send it again, and then wants the answer.
        is_fleeting = seconds > 0 and wanted.save is SaveMode.NONE and not idempotency.is_named()
        with ExitStack() as stack:
            # Before the message goes out, so that the answer cannot come before anyone listens.
            bell = _listen(stack, job_id) if seconds else None
            message = operations.queue(
                clients().sessions,
                sample_id,
                wanted,
                job_id,
                current_user_id(),
                request_id_var.get(),
                durable=bell is None,
                deadline_seconds=seconds + GRACE_SECONDS if is_fleeting else None,
            )
            clients().dispatcher.dispatch([message])
            job = _outcome(bell, seconds, job_id)
        if is_fleeting and not JobState(job.state).is_final and client_has_hung_up():
            # An outline that nobody sees and nothing keeps is no work worth doing.
            job = cancel(clients().sessions, clients().redis, job_id)
        return _answer(job)


@blueprint.route("/<uuid:sample_id>/embedding")
class Embedding(MethodView):
    """What a worker prepares before the first click on an image."""

    @blueprint.doc(operationId="prefetchSample")
    @blueprint.arguments(schemas.PrefetchQuerySchema, location="query")
    @blueprint.response(
        202, JobSchema, example={**examples.JOB, "kind": "prefetch_sample", "queue": "prefetch"}
    )
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def put(self, query: dict[str, Any], sample_id: UUID) -> Any:
        """Have an image prepared, and those that come next, so that the first click on each answers sooner.

        Call it when a person opens an image, with the filter and sort of the list that it was opened from.
        Clicks go before it, and it cancels what the same person has asked for before.
        """
        ahead = operations.Neighbourhood(query["ahead"], filter_of(query), SORTS[query["sort"]])
        return started(
            operations.queue_prefetch(
                clients().sessions,
                clients().dispatcher,
                sample_id,
                ahead,
                current_user_id(),
                request_id_var.get(),
            )
        )


def _prompt(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("points", "box", "include", "exclude", "contour") if body[name]}


def _listen(stack: ExitStack, job_id: UUID) -> Event | None:
    try:
        return stack.enter_context(clients().news.listen(job_id, caller_with_a_share()))
    except TooBusyError:
        # The job is queued; who cannot wait is told where to look.
        return None


def _outcome(bell: Event | None, seconds: float, job_id: UUID) -> Job:
    if bell is None:
        return read(clients().sessions, job_id)
    waited(seconds)
    try:
        return wait_until_final(bell, seconds, lambda: read(clients().sessions, job_id), client_has_hung_up)
    except NotFoundError as error:
        # Nobody has been told of it yet, and PostgreSQL crashed before it lay on the disk.
        raise DatabaseUnavailableError("The database has restarted; click again.") from error


def _answer(job: Job) -> Any:
    if job.state == JobState.SUCCEEDED.value:
        # As the worker made it, which knows the schema: dumping it once more would cost a millisecond.
        return plain_json.answer(job.result or {})
    if JobState(job.state).is_final and job.error is not None:
        error = job.error
        return problem_response(
            error["code"], error["title"], error["detail"], error["errors"], job_id=str(job.id)
        )
    return accepted(job)
