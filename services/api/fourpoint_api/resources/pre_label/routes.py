"""Routes of outlines that are drawn in bulk."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.annotations.conditions import stated_condition
from fourpoint_api.resources.annotations.preconditions import document_etag
from fourpoint_api.resources.annotations.rendering import render_document
from fourpoint_api.resources.annotations.schemas import DocumentSchema
from fourpoint_api.resources.filters.schemas import filter_of
from fourpoint_api.resources.jobs.holding import started
from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.resources.pre_label import operations, schemas
from fourpoint_api.web import examples, idempotency
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs
from fourpoint_api.web.documented import problems, waits
from fourpoint_api.web.response_headers import sends
from fourpoint_core.domain.access import Role
from fourpoint_core.domain.filters import SampleFilter
from fourpoint_core.errors import InvalidInputError, LabelDeletedError, NotFoundError, StaleDocumentError
from fourpoint_core.jobs.payloads.outlines import Verdict
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import Job

blueprint = Blueprint(
    "pre-label", __name__, url_prefix="/v1", description="Outlines drawn in bulk, for people to confirm"
)
_DRAWING = {**examples.JOB, "kind": "pre_label", "queue": "batch", "sample_id": None}
_REVIEWING = {**examples.JOB, "kind": "review_outlines", "queue": "io", "sample_id": None}
_PROPOSED = {"filter": {"unconfirmed": True}}


@blueprint.route("/datasets/<uuid:dataset_id>/pre-label")
class PreLabel(MethodView):
    """Outlines from clicks and boxes that are there."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="preLabel")
    @blueprint.arguments(schemas.PreLabelRequestSchema, example={"filter": {"status": "labeled"}})
    @blueprint.response(202, JobSchema, example=_DRAWING)
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Have the outlines of annotations drawn again that carry clicks or a box, by a job.

        A rectangle counts as a box, so what a format without outlines was imported from is included. What
        this model has drawn already, and what a person has changed since, is left alone. The new outlines are
        `unconfirmed` until somebody confirms, rejects or changes them; clicks go before the job, which can be
        followed and cancelled like any other.
        """
        return _once(
            lambda: operations.draw_again(
                clients().sessions, dataset_id, body["ids"], _wanted(body), _order(), edited=body["edited"]
            )
        )


class _Reviews(MethodView):
    """What somebody says to the outlines of many images."""

    verdict: Verdict

    def _post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        return _once(
            lambda: operations.review_many(
                clients().sessions, dataset_id, body["ids"], _wanted(body), self.verdict, _order()
            )
        )


@blueprint.route("/datasets/<uuid:dataset_id>/pre-label/confirm")
class Confirmations(_Reviews):
    """Confirming the outlines of many images."""

    verdict = Verdict.CONFIRM

    @needs(Role.OWNER)
    @blueprint.doc(operationId="confirmPreLabels")
    @blueprint.arguments(schemas.ImagesSchema, example=_PROPOSED)
    @blueprint.response(202, JobSchema, example=_REVIEWING)
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Confirm all unconfirmed outlines of these images, by a job."""
        return self._post(body, dataset_id)


@blueprint.route("/datasets/<uuid:dataset_id>/pre-label/reject")
class Rejections(_Reviews):
    """Rejecting the outlines of many images."""

    verdict = Verdict.REJECT

    @needs(Role.OWNER)
    @blueprint.doc(operationId="rejectPreLabels")
    @blueprint.arguments(schemas.ImagesSchema, example=_PROPOSED)
    @blueprint.response(202, JobSchema, example=_REVIEWING)
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Reject all unconfirmed outlines of these images, by a job: the ones from before come back."""
        return self._post(body, dataset_id)


@blueprint.route("/samples/<uuid:sample_id>/annotations/confirm")
class SampleConfirmation(MethodView):
    """Confirming outlines of one image."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="confirmOutlines")
    @blueprint.arguments(schemas.ReviewRequestSchema, example={"annotation_ids": [examples.ANNOTATION_ID]})
    @blueprint.response(200, DocumentSchema, example=examples.DOCUMENT)
    @problems(blueprint, NotFoundError, StaleDocumentError, LabelDeletedError, InvalidInputError)
    def post(self, body: dict[str, Any], sample_id: UUID) -> Any:
        """Confirm outlines that a batch has drawn on this image: those named, or all that wait."""
        return _reviewed(sample_id, body, Verdict.CONFIRM)


@blueprint.route("/samples/<uuid:sample_id>/annotations/reject")
class SampleRejection(MethodView):
    """Rejecting outlines of one image."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="rejectOutlines")
    @blueprint.arguments(schemas.ReviewRequestSchema, example={"annotation_ids": [examples.ANNOTATION_ID]})
    @blueprint.response(200, DocumentSchema, example=examples.DOCUMENT)
    @problems(blueprint, NotFoundError, StaleDocumentError, LabelDeletedError, InvalidInputError)
    def post(self, body: dict[str, Any], sample_id: UUID) -> Any:
        """Reject outlines that a batch has drawn on this image: each object gets its former outline back."""
        return _reviewed(sample_id, body, Verdict.REJECT)


def _reviewed(sample_id: UUID, body: dict[str, Any], verdict: Verdict) -> Any:
    document = operations.review(
        clients().sessions,
        sample_id,
        body["annotation_ids"],
        verdict,
        stated_condition(),
        current_user_id(),
    )
    return render_document(document), 200, {"ETag": document_etag(document.sample, document.annotations)}


def _once(queue: Any) -> Any:
    earlier = idempotency.earlier()
    job: Job = queue() if earlier is None else operations.done_before(clients().sessions, earlier)
    return started(job)


def _order() -> operations.Order:
    return operations.Order(current_user_id(), request_id_var.get(), clients().dispatcher)


def _wanted(body: dict[str, Any]) -> SampleFilter | None:
    return None if body["filter"] is None else filter_of(body["filter"])
