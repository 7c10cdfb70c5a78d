"""Routes of synchronisations."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.jobs.holding import started, started_before
from fourpoint_api.resources.jobs.rendering import render as render_job
from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.resources.syncs import operations, schemas
from fourpoint_api.web import examples, idempotency, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs
from fourpoint_api.web.documented import problems, waits
from fourpoint_api.web.schemas import UncountedPageQuerySchema
from fourpoint_core.domain.access import Role
from fourpoint_core.errors import InvalidInputError, NotFoundError, SyncRunningError
from fourpoint_core.jobs.payloads.syncs import Cause, Phase
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import ForgottenObject, Job, SyncRun
from fourpoint_core.store.queries.sync_items import Item

blueprint = Blueprint(
    "syncs", __name__, url_prefix="/v1/datasets", description="Synchronising datasets with their bucket"
)
_JOB = {**examples.JOB, "kind": "sync_dataset", "queue": "io", "sample_id": None}
_COUNTS = {**dict.fromkeys(schemas.SyncCountsSchema().fields, 0), "listed": 8, "added": 1, "unchanged": 7}
_STATUS = {
    "job": _JOB,
    "cause": "request",
    "dry_run": False,
    "phase": "done",
    "created_at": examples.TIME,
    "finished_at": examples.TIME,
    "counts": _COUNTS,
}
_KEY = "photos/cat.png"
_LINE = {
    "object_key": _KEY,
    "outcome": "added",
    "sample_id": examples.SAMPLE_ID,
    "previous_key": None,
    "detail": None,
}
_FORGOTTEN = {"object_key": _KEY, "forgotten_at": examples.TIME}


@blueprint.route("/<uuid:dataset_id>/sync")
class Sync(MethodView):
    """The synchronisation of a dataset with its input path."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="syncDataset")
    @blueprint.arguments(schemas.SyncRequestSchema, example={"dry_run": True})
    @blueprint.response(202, JobSchema, example=_JOB)
    @waits
    @problems(blueprint, NotFoundError, SyncRunningError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Have the dataset say what its input path holds: a job adds, updates and marks what is missing.

        One runs at a time; `job_id` in the refusal is the one that does.
        """
        earlier = started_before()
        if earlier is not None:
            return started(earlier)
        job = operations.start(
            clients().sessions,
            clients().dispatcher,
            dataset_id,
            current_user_id(),
            request_id_var.get(),
            dry_run=body["dry_run"],
        )
        return started(job)

    @blueprint.doc(operationId="getSync")
    @blueprint.response(200, schemas.SyncSchema, example=_STATUS)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID) -> Any:
        """Read how far the last synchronisation is, and what it found."""
        return _render_status(*operations.status(clients().sessions, dataset_id))


@blueprint.route("/<uuid:dataset_id>/sync/report")
class SyncReport(MethodView):
    """What a synchronisation did, file by file."""

    @blueprint.doc(operationId="listSyncReport")
    @blueprint.arguments(schemas.ReportQuerySchema, location="query")
    @blueprint.response(200, schemas.ReportPageSchema, example={"items": [_LINE], "next_cursor": None})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List what happened to each file, by key; files that nothing happened to are only counted.

        A dry run lists what would happen. The reports of the last ten synchronisations are kept.
        """
        outcome = query["outcome"]
        scope = f"sync {dataset_id} {outcome}"
        place = paging.open_cursor(query["cursor"], scope, lambda key, job_id: (key, UUID(job_id)))
        after, job_id = place or ("", query["job_id"])
        lines = operations.report(clients().sessions, dataset_id, job_id, outcome, after, query["limit"])
        following = None if lines.next_key is None else (lines.next_key, str(lines.job_id))
        body, headers = paging.list_body([_render_line(item) for item in lines.items], scope, following, None)
        return body, 200, headers


@blueprint.route("/<uuid:dataset_id>/forgotten-objects")
class ForgottenObjects(MethodView):
    """Files that no synchronisation brings back."""

    @blueprint.doc(operationId="listForgottenObjects")
    @blueprint.arguments(UncountedPageQuerySchema, location="query")
    @blueprint.response(200, schemas.ForgottenPageSchema, example={"items": [_FORGOTTEN], "next_cursor": None})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List the files whose images were deleted for good while the files stayed, by key."""
        scope = f"forgotten {dataset_id}"
        after = paging.open_cursor(query["cursor"], scope, lambda key, _: str(key)) or ""
        rows, following = operations.forgotten(clients().sessions, dataset_id, after, query["limit"])
        place = None if following is None else (following, "")
        body, headers = paging.list_body([_render_forgotten(row) for row in rows], scope, place, None)
        return body, 200, headers


@blueprint.route("/<uuid:dataset_id>/forgotten-objects/restore")
class ForgottenObjectsRestoration(MethodView):
    """Letting files come back."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="restoreForgottenObjects")
    @blueprint.arguments(schemas.ForgottenRequestSchema, example={"object_keys": [_KEY]})
    @blueprint.response(200, schemas.ForgottenAnswerSchema, example={"objects": 1})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Let files come back as new images with the next synchronisation."""
        earlier = idempotency.earlier()
        if earlier is not None:
            return earlier
        count = operations.remember(clients().sessions, dataset_id, body["object_keys"], every=body["all"])
        return {"objects": count}


def _render_status(run: SyncRun, job: Job) -> dict[str, Any]:
    counts = run.counts if run.finished_at is not None else None
    return {
        "job": render_job(job),
        "cause": Cause(run.cause),
        "dry_run": run.dry_run,
        "phase": Phase(run.phase),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "counts": counts,
    }


def _render_line(item: Item) -> dict[str, Any]:
    detail = item.detail
    return {
        "object_key": item.key,
        "outcome": item.outcome,
        "sample_id": item.sample_id,
        "previous_key": item.previous_key,
        "detail": detail
        and {
            "code": detail["code"],
            "detail": detail.get("detail"),
            "line": detail.get("line"),
            "revision": detail.get("revision"),
            "notes": detail.get("notes", []),
        },
    }


def _render_forgotten(row: ForgottenObject) -> dict[str, Any]:
    return {"object_key": row.object_key, "forgotten_at": row.forgotten_at}
