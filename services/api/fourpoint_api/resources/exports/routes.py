"""Routes of exports."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask.views import MethodView
from itsdangerous import BadData, URLSafeTimedSerializer

from fourpoint_api.clients import clients
from fourpoint_api.resources.exports import operations, schemas
from fourpoint_api.resources.filters.schemas import filter_of
from fourpoint_api.resources.jobs.holding import started, started_before
from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.web import examples, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs, public
from fourpoint_api.web.documented import file_content, not_modified, problems, waits
from fourpoint_api.web.media import stream_object
from fourpoint_api.web.problems import RangeNotSatisfiableError
from fourpoint_api.web.response_headers import sends
from fourpoint_core.domain.access import Role
from fourpoint_core.domain.filters import SampleFilter
from fourpoint_core.domain.transfers import ExportOrder, Split
from fourpoint_core.errors import (
    InvalidInputError,
    NotFoundError,
    ObjectMissingError,
    SignatureInvalidError,
    StorageUnavailableError,
)
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import Export

blueprint = Blueprint(
    "exports", __name__, url_prefix="/v1", description="Datasets in the formats of other tools"
)
# As long as somebody may take to begin; a download that has begun goes on.
DOWNLOAD_SECONDS = 24 * 3600
_ID = "01930000-0000-7000-8000-0000000000e7"
_ORDER = {
    "format": "coco",
    "filter": {"status": "labeled"},
    "ids": [],
    "with_images": True,
    "split": {"ratios": [0.8, 0.1, 0.1], "seed": 7, "attribute": None},
    "output_path": None,
}
_EXPORT = {
    "id": _ID,
    "dataset_id": examples.DATASET_ID,
    "format": "coco",
    "order": _ORDER,
    "path": None,
    "download": {"url": "/v1/exports/ImEi.ZhJ8/download", "expires_at": "2026-01-02T12:00:00+00:00"},
    "size_bytes": 48213311,
    "files": 1204,
    "report": {
        "dataset": "kitchen",
        "version": None,
        "format": "coco",
        "images": 1200,
        "labels": [{"name": "cup", "colour": "#3399ff", "mask_index": 1}],
        "conversions": {"holes_as_rle": 31},
        "notes": [],
    },
    "created_by": examples.USER_ID,
    "created_at": examples.TIME,
    "expires_at": "2026-01-08T12:00:00+00:00",
}
_JOB = {**examples.JOB, "kind": "export_dataset", "queue": "io", "sample_id": None}


@blueprint.route("/datasets/<uuid:dataset_id>/exports")
class Exports(MethodView):
    """Exports of a dataset."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="createExport")
    @blueprint.arguments(
        schemas.ExportRequestSchema,
        example={
            "format": "coco",
            "filter": {"status": "labeled"},
            "with_images": True,
            "split": {"ratios": {"train": 0.8, "val": 0.1, "test": 0.1}, "seed": 7},
        },
    )
    @blueprint.response(202, JobSchema, example=_JOB)
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Export a dataset, a version, a filter or a selection as a job.

        The job's `result.export_id` leads to the export. What was exported already in the same way, and has
        not changed since, is not made again (`result.shared`).
        """
        earlier = started_before()
        if earlier is not None:
            return started(earlier)
        job = operations.create(
            clients().sessions,
            clients().dispatcher,
            dataset_id,
            _order(body),
            current_user_id(),
            request_id_var.get(),
        )
        return started(job)

    @blueprint.doc(operationId="listExports")
    @blueprint.arguments(schemas.ExportQuerySchema, location="query")
    @blueprint.response(200, schemas.ExportPageSchema, example={"items": [_EXPORT], "next_cursor": None})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List the exports that can be had, oldest first."""
        scope = f"exports {dataset_id}"
        after = paging.read_cursor(query["cursor"], scope)
        page = operations.listing(clients().sessions, dataset_id, after, query["limit"])
        body, headers = paging.page_body(page, scope, render, None)
        return body, 200, headers


@blueprint.route("/datasets/<uuid:dataset_id>/exports/<uuid:export_id>")
class OneExport(MethodView):
    """One export."""

    @blueprint.doc(operationId="getExport")
    @blueprint.response(200, schemas.ExportSchema, example=_EXPORT)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID, export_id: UUID) -> Any:
        """Read an export, with a download address that is signed anew and good for a day."""
        return render(operations.read(clients().sessions, dataset_id, export_id))

    @needs(Role.OWNER)
    @blueprint.doc(operationId="deleteExport")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError)
    def delete(self, dataset_id: UUID, export_id: UUID) -> Any:
        """Delete an export and its archive. Files at a path of the bucket stay there: they are yours."""
        operations.remove(clients().sessions, dataset_id, export_id)


@blueprint.route("/exports/<string:token>/download")
class Download(MethodView):
    """The archive of an export."""

    @public
    @sends(blueprint, "Accept-Ranges", "Cache-Control")
    @blueprint.doc(
        operationId="downloadExport",
        security=[],
        responses={
            "200": {"description": "The archive", "content": file_content("application/zip")},
            "206": {"description": "The range asked for", "content": file_content("application/zip")},
        },
    )
    @not_modified(blueprint)
    @problems(
        blueprint,
        SignatureInvalidError,
        NotFoundError,
        ObjectMissingError,
        RangeNotSatisfiableError,
        StorageUnavailableError,
    )
    def get(self, token: str) -> Response:
        """Download an archive, or a part of it (`Range`); the address, from `getExport`, is all it takes."""
        dataset_id, export_id = _opened(token)
        export = operations.read(clients().sessions, dataset_id, export_id)
        if export.object_key is None:
            raise NotFoundError("This export has no archive; its files are in the bucket.")
        response = stream_object(clients().store, export.object_key, export.content, "application/zip")
        if response.status_code in {200, 206}:
            operations.note_download(clients().sessions, export, request.remote_addr)
        name = export.object_key.rpartition("/")[2]
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def render(export: Export) -> dict[str, Any]:
    """The document of an export."""
    return {
        "id": export.id,
        "dataset_id": export.dataset_id,
        "format": ExportOrder.from_json(export.order).format,
        "order": export.order,
        "path": None if export.object_key is not None else export.prefix,
        "download": _download(export),
        "size_bytes": export.size_bytes,
        "files": export.files,
        "report": export.report,
        "created_by": export.created_by,
        "created_at": export.created_at,
        "expires_at": export.expires_at,
    }


def _order(body: dict[str, Any]) -> ExportOrder:
    wanted = SampleFilter() if body["filter"] is None else filter_of(body["filter"])
    if body["version"] is not None:
        wanted = replace(wanted, version=body["version"])
    split = body["split"]
    return ExportOrder(
        format=body["format"],
        wanted=wanted,
        ids=tuple(sorted(set(body["ids"]))),
        with_images=body["with_images"],
        split=None if split is None else Split.of(split["ratios"], split["seed"], split["attribute"]),
        output_path=body["output_path"],
    )


def _download(export: Export) -> dict[str, Any] | None:
    if export.object_key is None:
        return None
    token = _serializer().dumps([str(export.dataset_id), str(export.id)])
    until = datetime.now(UTC) + timedelta(seconds=DOWNLOAD_SECONDS)
    return {
        "url": url_for("exports.Download", token=token),
        "expires_at": until if export.expires_at is None else min(until, export.expires_at),
    }


def _opened(token: str) -> tuple[UUID, UUID]:
    try:
        dataset_id, export_id = _serializer().loads(token, max_age=DOWNLOAD_SECONDS)
        return UUID(dataset_id), UUID(export_id)
    except (BadData, ValueError) as error:
        raise SignatureInvalidError(
            "This address was changed or has run out; read the export again."
        ) from error


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(clients().settings.secret_key, salt="export download")
