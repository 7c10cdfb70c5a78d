"""Routes of deletions and of the trash."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.filters.schemas import filter_of
from fourpoint_api.resources.jobs.holding import started
from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.resources.samples.routes import render as render_sample
from fourpoint_api.resources.trash import operations, schemas
from fourpoint_api.web import examples, idempotency, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_caller, needs
from fourpoint_api.web.documented import problems, waits
from fourpoint_core.domain.access import Role
from fourpoint_core.domain.deletion import Selection
from fourpoint_core.errors import InvalidInputError, LabelDeletedError, NotFoundError
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import Job, Sample

blueprint = Blueprint(
    "trash", __name__, url_prefix="/v1/datasets", description="Deleting images, and undoing it"
)
_DELETION_ID = "01930000-0000-7000-8000-0000000000d5"
_LATER = "2026-01-08T12:00:00+00:00"
_DELETION = {
    "deletion_id": _DELETION_ID,
    "samples": 1,
    "annotations": 3,
    "not_found": [],
    "shared_with": [],
    "shared_elsewhere": 0,
    "versions": [],
    "versions_elsewhere": 0,
    "objects_removed": 0,
    "restorable_until": _LATER,
}
_TRASHED = {
    **examples.SAMPLE,
    "trashed_at": examples.TIME,
    "trashed_by": examples.USER_ID,
    "deletion_id": _DELETION_ID,
    "restorable_until": _LATER,
}
_DELETION_JOB = {**examples.JOB, "kind": "delete_samples", "queue": "io", "sample_id": None}
_RESTORATION_JOB = {**examples.JOB, "kind": "restore_samples", "queue": "io", "sample_id": None}


@blueprint.route("/<uuid:dataset_id>/samples/delete")
class Deletions(MethodView):
    """Deleting images."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="deleteSamples")
    @blueprint.arguments(schemas.DeletionRequestSchema, example={"ids": [examples.SAMPLE_ID]})
    @blueprint.response(200, schemas.DeletionSchema, example=_DELETION)
    @blueprint.alt_response(
        202, schema=JobSchema, example=_DELETION_JOB, description="Many: a job deletes them"
    )
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Delete images by id or by a filter: into the trash, from where they can be restored for some days.

        With `delete_source` they go for good, with their files, except for files that another dataset shows.
        `dry_run` counts what would go, and names the published versions and the datasets that show the same
        files; what a version says of an image stays readable without its file. Nothing selected is an error,
        and never means everything.
        """
        wanted = None if body["filter"] is None else filter_of(body["filter"])
        selection = Selection.of(body["ids"], wanted)
        if body["dry_run"]:
            foreseen = operations.foresee(
                clients().sessions, dataset_id, selection, _order(), delete_source=body["delete_source"]
            )
            return _render(foreseen), 200
        earlier = idempotency.earlier()
        if earlier is not None:
            return _answer(operations.done_before(clients().sessions, earlier))
        done = operations.delete(
            clients().sessions,
            clients().store,
            clients().dispatcher,
            clients().settings,
            dataset_id,
            selection,
            _order(),
            delete_source=body["delete_source"],
        )
        return _answer(done)


@blueprint.route("/<uuid:dataset_id>/trash")
class Trash(MethodView):
    """Deleted images that can be restored."""

    @blueprint.doc(operationId="listTrash")
    @blueprint.arguments(schemas.TrashQuerySchema, location="query")
    @blueprint.response(200, schemas.TrashPageSchema, example={"items": [_TRASHED], "next_cursor": None})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List the deleted images that can still be restored, in the order they were deleted."""
        scope = f"trash {dataset_id}"
        after = paging.read_cursor(query["cursor"], scope)
        page = operations.listing(clients().sessions, dataset_id, after, query["limit"])
        body, headers = paging.page_body(page, scope, _render_trashed, None)
        return body, 200, headers


@blueprint.route("/<uuid:dataset_id>/trash/restore")
class Restoration(MethodView):
    """Taking a deletion back."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="restoreSamples")
    @blueprint.arguments(schemas.RestorationRequestSchema, example={"deletion_id": _DELETION_ID})
    @blueprint.response(200, schemas.RestorationSchema, example={"samples": 1})
    @blueprint.alt_response(202, schema=JobSchema, example=_RESTORATION_JOB, description="Many: a job does it")
    @waits
    @problems(blueprint, NotFoundError, LabelDeletedError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Restore deleted images as they were: by id, or all of one deletion.

        A label that they show and that was deleted comes back with them, unless another has its name by now
        or its deletion is still going on.
        """
        earlier = idempotency.earlier()
        if earlier is not None:
            return _answer(operations.done_before(clients().sessions, earlier))
        done = operations.restore(
            clients().sessions, clients().dispatcher, dataset_id, body["ids"], body["deletion_id"], _order()
        )
        return _answer(done)


def _order() -> operations.Order:
    return operations.Order(current_caller(), request_id_var.get())


def _answer(done: operations.Deletion | int | Job) -> Any:
    if isinstance(done, Job):
        return started(done)
    return {"samples": done} if isinstance(done, int) else _render(done), 200


def _render(done: operations.Deletion) -> dict[str, Any]:
    sharing, pinning = done.forecast.sharing, done.forecast.pinning
    return {
        "deletion_id": done.id,
        "samples": done.forecast.samples,
        "annotations": done.forecast.annotations,
        "not_found": done.not_found,
        "shared_with": [
            {"dataset_id": item.dataset_id, "name": item.name, "samples": item.samples}
            for item in sharing
            if item.name is not None
        ],
        "shared_elsewhere": sum(item.samples for item in sharing if item.name is None),
        "versions": [
            {
                "version_id": item.version_id,
                "dataset_id": item.dataset_id,
                "name": item.name,
                "samples": item.samples,
            }
            for item in pinning
            if item.name is not None
        ],
        "versions_elsewhere": sum(item.name is None for item in pinning),
        "objects_removed": done.objects_removed,
        "restorable_until": done.restorable_until,
    }


def _render_trashed(sample: Sample) -> dict[str, Any]:
    assert sample.trashed_at is not None  # noqa: S101 - only what lies in the trash comes here
    return {
        **render_sample(sample),
        "trashed_at": sample.trashed_at,
        "trashed_by": sample.trashed_by,
        "deletion_id": sample.deletion_id,
        "restorable_until": sample.trashed_at + timedelta(days=clients().settings.trash_days),
    }
