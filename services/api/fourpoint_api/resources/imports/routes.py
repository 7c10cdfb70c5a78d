"""Routes of imports."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.imports import operations, schemas
from fourpoint_api.resources.jobs.holding import started, started_before
from fourpoint_api.resources.jobs.rendering import render as render_job
from fourpoint_api.resources.jobs.schemas import JobPageSchema, JobSchema
from fourpoint_api.web import examples, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs
from fourpoint_api.web.documented import problems, waits
from fourpoint_core.domain.access import Role
from fourpoint_core.domain.transfers import ImportOrder
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import ImportedBox, ImportLine, Label

blueprint = Blueprint("imports", __name__, url_prefix="/v1", description="Datasets from files of other tools")
_RESULT = {
    "dry_run": False,
    "counts": {
        "images_seen": 1201,
        "images_added": 1200,
        "images_matched": 0,
        "images_refused": 1,
        "objects_added": 8113,
        "boxes_kept": 12,
        "labels_added": 3,
        "lines": 1,
    },
    "lines": {"refused": {"coordinate_absurd": 1}},
}
_JOB = {
    **examples.JOB,
    "kind": "import_dataset",
    "queue": "io",
    "sample_id": None,
    "progress": {"position": 1204, **_RESULT["counts"]},  # type: ignore[dict-item]
    "result": _RESULT,
}
_LINE = {
    "position": 1,
    "outcome": "refused",
    "code": "coordinate_absurd",
    "detail": "The vertex (1e+06, 4) of the object is far outside of the image of 640 x 480 pixels.",
    "place": "annotations/instances_default.json",
    "line": 731,
    "name": "shelf/one.jpg",
}
_BOX = {
    "id": "01930000-0000-7000-8000-0000000000b1",
    "label_id": examples.LABEL_ID,
    "label": "cup",
    "prompt": {"box": [10.0, 20.0, 110.0, 90.0]},
    "created_at": examples.TIME,
}


@blueprint.route("/datasets/<uuid:dataset_id>/imports")
class Imports(MethodView):
    """Imports into a dataset."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="createImport")
    @blueprint.arguments(
        schemas.ImportRequestSchema,
        example={"format": "modelarts", "path": "exports/V001/V001.manifest", "existing": "merge"},
    )
    @blueprint.response(202, JobSchema, example=_JOB)
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Import images and annotations as a job.

        An image's objects are taken whole or not at all; what was refused, and what was taken not just as it
        says, is listed by line. Importing the same again changes nothing.
        """
        earlier = started_before()
        if earlier is not None:
            return started(earlier)
        order = ImportOrder(**{**body, "labels": tuple(sorted(body["labels"].items()))})
        job = operations.create(
            clients().sessions,
            clients().dispatcher,
            dataset_id,
            order,
            current_user_id(),
            request_id_var.get(),
        )
        return started(job)

    @blueprint.doc(operationId="listImports")
    @blueprint.arguments(schemas.ImportQuerySchema, location="query")
    @blueprint.response(200, JobPageSchema, example={"items": [_JOB], "next_cursor": None})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List the imports into a dataset, oldest first."""
        scope = f"imports {dataset_id}"
        after = paging.read_cursor(query["cursor"], scope)
        page = operations.listing(clients().sessions, dataset_id, after, query["limit"])
        body, headers = paging.page_body(page, scope, render_job, None)
        return body, 200, headers


@blueprint.route("/datasets/<uuid:dataset_id>/imports/<uuid:import_id>")
class OneImport(MethodView):
    """One import."""

    @blueprint.doc(operationId="getImport")
    @blueprint.response(200, JobSchema, example=_JOB)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID, import_id: UUID) -> Any:
        """Read an import: the job, whose `progress` counts and whose `result` sums up."""
        return render_job(operations.read(clients().sessions, dataset_id, import_id))


@blueprint.route("/datasets/<uuid:dataset_id>/imports/<uuid:import_id>/lines")
class ImportLines(MethodView):
    """What an import has to say."""

    @blueprint.doc(operationId="listImportLines")
    @blueprint.arguments(schemas.ImportLineQuerySchema, location="query")
    @blueprint.response(200, schemas.ImportLinePageSchema, example={"items": [_LINE], "next_cursor": None})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID, import_id: UUID) -> Any:
        """List what was refused, converted or left out, in the order of the files."""
        outcome = query["outcome"]
        scope = f"import lines {import_id} {outcome}"
        after = paging.read_number(query["cursor"], scope)
        rows, following = operations.lines(
            clients().sessions, dataset_id, import_id, outcome, after, query["limit"]
        )
        cursor = None if following is None else paging.write_number(following, scope)
        return {"items": [_render_line(row) for row in rows], "next_cursor": cursor}


@blueprint.route("/samples/<uuid:sample_id>/boxes")
class SampleBoxes(MethodView):
    """Boxes that imports found without an outline."""

    @blueprint.doc(operationId="listImportedBoxes")
    @blueprint.response(200, schemas.ImportedBoxListSchema, example={"items": [_BOX]})
    @problems(blueprint, NotFoundError)
    def get(self, sample_id: UUID) -> Any:
        """List the boxes that imports found without an outline: prompts to infer outlines from."""
        found = operations.boxes(clients().sessions, sample_id)
        return {"items": [_render_box(box, label) for box, label in found]}


@blueprint.route("/samples/<uuid:sample_id>/boxes/<uuid:box_id>")
class OneBox(MethodView):
    """One box."""

    @needs(Role.LABELER)
    @blueprint.doc(operationId="deleteImportedBox")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError)
    def delete(self, sample_id: UUID, box_id: UUID) -> Any:
        """Delete a box, once its outline is drawn or nobody wants it."""
        operations.forget_box(clients().sessions, sample_id, box_id)


def _render_line(line: ImportLine) -> dict[str, Any]:
    names = ("position", "outcome", "code", "detail", "place", "line", "name")
    return {name: getattr(line, name) for name in names}


def _render_box(box: ImportedBox, label: Label) -> dict[str, Any]:
    return {
        "id": box.id,
        "label_id": label.id,
        "label": label.name,
        "prompt": box.prompt,
        "created_at": box.created_at,
    }
