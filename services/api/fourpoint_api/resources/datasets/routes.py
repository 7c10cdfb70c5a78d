"""Routes of datasets."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.datasets import operations, schemas
from fourpoint_api.resources.jobs.holding import started
from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.resources.labels.operations import LabelRequest
from fourpoint_api.web import etags, examples, image_signatures, paging, plain_json
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_caller, current_user_id, needs, signed_in
from fourpoint_api.web.documented import not_modified, problems, waits
from fourpoint_api.web.response_headers import sends
from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.errors import (
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    ShortcutTakenError,
    StaleDocumentError,
)
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import Dataset
from fourpoint_core.store.queries.dashboards import Dashboard, ListedDataset
from fourpoint_core.store.queries.tallies import SampleTotals

blueprint = Blueprint("datasets", __name__, url_prefix="/v1/datasets", description="Datasets")
_DASHBOARD = {
    **examples.DATASET,
    "samples": examples.TOTALS,
    "current_version": {name: examples.VERSION[name] for name in ("id", "number", "name", "published_at")},
    "has_unpublished_changes": False,
}


@blueprint.route("")
class Datasets(MethodView):
    """All datasets."""

    @signed_in(Scope.MANAGE)
    @sends(blueprint, "Location", "ETag")
    @blueprint.doc(operationId="createDataset")
    @blueprint.arguments(schemas.NewDatasetSchema, example={"name": "Cats", "labels": [{"name": "cat"}]})
    @blueprint.response(201, schemas.CreatedDatasetSchema, example={**examples.DATASET, "sync_job_id": None})
    @problems(blueprint, NameTakenError, ShortcutTakenError, InvalidInputError)
    def post(self, body: dict[str, Any]) -> Any:
        """Create a dataset, with its first labels if you like.

        With an `input_path`, the images that lie there are taken in by a job, `sync_job_id`.
        """
        labels = [LabelRequest(**label) for label in body["labels"]]
        dataset, job_id = operations.create(
            clients().sessions,
            clients().store,
            clients().dispatcher,
            operations.DatasetRequest(**{**body, "labels": labels}),
            current_user_id(),
            request_id_var.get(),
        )
        where = url_for("datasets.OneDataset", dataset_id=dataset.id)
        answer = {**render(dataset), "sync_job_id": job_id}
        return answer, 201, {"Location": where, "ETag": _etag(dataset)}

    @signed_in(Scope.READ)
    @blueprint.doc(operationId="listDatasets")
    @blueprint.arguments(schemas.DatasetQuerySchema, location="query")
    @blueprint.response(
        200, schemas.DatasetPageSchema, example={"items": [examples.DATASET], "next_cursor": None}
    )
    @problems(blueprint, InvalidInputError)
    def get(self, query: dict[str, Any]) -> Any:
        """List the datasets that you may see, oldest first."""
        name = query["name_contains"]
        scope = "datasets" if name is None else f"datasets {name}"
        page, total = operations.listing(
            clients().sessions,
            current_caller(),
            name,
            paging.read_cursor(query["cursor"], scope),
            query["limit"],
            count=query["count"] is not None,
        )
        body, headers = paging.page_body(page, scope, render, total)
        return body, 200, headers


@blueprint.route("/<uuid:dataset_id>/image-signature")
class DatasetImageSignature(MethodView):
    """What opens the images of a dataset without a token."""

    @sends(blueprint, "Cache-Control")
    @blueprint.doc(operationId="getImageSignature")
    @blueprint.response(200, schemas.ImageSignatureSchema, example=examples.IMAGE_SIGNATURE)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID) -> Any:
        """Sign the addresses of a dataset's images and thumbnails, for an hour, for you.

        An `<img>` shows `/v1/samples/{id}/thumbnail?signature=...` for as long as you may see it yourself.
        """
        signature = image_signatures.ImageSignature.of(current_caller(), dataset_id)
        text = image_signatures.signed(signature, clients().settings.secret_key)
        answer = {"signature": text, "expires_at": signature.expires_at}
        return answer, 200, {"Cache-Control": "no-store"}


@blueprint.route("/<uuid:dataset_id>")
class OneDataset(MethodView):
    """One dataset."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="getDataset")
    @blueprint.response(200, schemas.DashboardSchema, example=_DASHBOARD)
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID) -> Any:
        """Read a dataset: how far its labeling is, and whether there is anything to publish."""
        found = operations.read(clients().sessions, dataset_id)
        tag = _etag_of_dashboard(found)
        if etags.is_known(tag):
            return etags.not_modified(tag)
        return plain_json.answer(_render_dashboard(found), {"ETag": tag})

    @needs(Role.OWNER)
    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="changeDataset")
    @blueprint.arguments(schemas.DatasetChangeSchema, example={"name": "Cats and dogs"})
    @blueprint.response(200, schemas.DatasetSchema, example=examples.DATASET)
    @problems(blueprint, NotFoundError, NameTakenError, StaleDocumentError, InvalidInputError)
    def patch(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Change a dataset; with `If-Match`, only if nobody else did meanwhile."""
        dataset = operations.change(
            clients().sessions,
            clients().store,
            dataset_id,
            lambda found: etags.check_if_match(_etag(found)),
            body,
        )
        return render(dataset), 200, {"ETag": _etag(dataset)}

    @needs(Role.OWNER)
    @blueprint.doc(operationId="deleteDataset")
    @blueprint.arguments(schemas.DatasetDeletionSchema, location="query")
    @blueprint.response(202, JobSchema, example={**examples.JOB, "kind": "purge_dataset", "queue": "io"})
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def delete(self, query: dict[str, Any], dataset_id: UUID) -> Response:
        """Delete a dataset. It is gone at once; a job removes what it held.

        The image files stay in the object store unless `delete_objects=true`.
        """
        job = operations.delete(
            clients().sessions,
            clients().dispatcher,
            dataset_id,
            delete_objects=query["delete_objects"],
            author=current_user_id(),
            request_id=request_id_var.get(),
        )
        return started(job)


def render(dataset: Dataset | ListedDataset) -> dict[str, Any]:
    """A dataset as the contract shows it."""
    return {
        "id": dataset.id,
        "name": dataset.name,
        "description": dataset.description,
        "input_path": dataset.input_path,
        "output_path": dataset.output_path,
        "import_annotations": dataset.import_annotations,
        "auto_sync_minutes": dataset.auto_sync_minutes,
        "created_by": dataset.created_by,
        "created_at": dataset.created_at,
        "updated_at": dataset.updated_at,
    }


def _render_dashboard(found: Dashboard) -> dict[str, Any]:
    return {
        **render(found.dataset),
        "samples": render_totals(found.totals),
        "current_version": None if found.current is None else found.current._asdict(),
        "has_unpublished_changes": found.has_changes,
    }


def render_totals(totals: SampleTotals) -> dict[str, int]:
    """Counts as the contract shows them."""
    return {
        "total": totals.total,
        "labeled": totals.labeled,
        "unlabeled": totals.total - totals.labeled,
        "missing": totals.missing,
        "progress_percent": totals.labeled * 100 // totals.total if totals.total else 0,
    }


def _etag(dataset: Dataset | ListedDataset) -> str:
    return etags.etag_of("dataset", dataset.row_version)


def _etag_of_dashboard(found: Dashboard) -> str:
    """What a dashboard shows: the dataset's state, and behind it counts and versions, which move without it."""
    version = 0 if found.current is None else found.current.number
    shown = (found.totals.total, found.totals.labeled, found.totals.missing, version, int(found.has_changes))
    return f'{_etag(found.dataset)[:-1]}-{"-".join(map(str, shown))}"'
