"""Routes of annotations and drafts."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.annotations import operations, schemas
from fourpoint_api.resources.datasets.routes import render_label
from fourpoint_api.web import etags, examples
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id
from fourpoint_api.web.documented import not_modified, problems
from fourpoint_core.errors import IdTakenError, InvalidInputError, NotFoundError, StaleDocumentError
from fourpoint_core.store.models import Sample
from fourpoint_core.store.queries.annotations import LabeledAnnotation

blueprint = Blueprint("annotations", __name__, url_prefix="/v1/samples", description="Outlines and labels")


@blueprint.route("/<uuid:sample_id>/annotations")
class Annotations(MethodView):
    """The annotation document of an image."""

    @blueprint.doc(operationId="getAnnotations")
    @blueprint.response(
        200,
        schemas.DocumentSchema,
        example={"sample_id": examples.SAMPLE_ID, "revision": 1, "annotations": [examples.ANNOTATION]},
    )
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError)
    def get(self, sample_id: UUID) -> Any:
        """Read all objects of an image; the ETag names the revision."""
        sample, rows = operations.read_document(clients().sessions, sample_id)
        if etags.is_known(document_etag(sample)):
            return etags.not_modified(document_etag(sample))
        body = {"sample_id": sample.id, "revision": sample.revision, "annotations": [render(r) for r in rows]}
        return body, 200, {"ETag": document_etag(sample)}

    @blueprint.doc(operationId="addAnnotation")
    @blueprint.arguments(
        schemas.NewAnnotationSchema, example={"contour_id": examples.CONTOUR_ID, "label": "cat"}
    )
    @blueprint.response(201, schemas.AnnotationSchema, example=examples.ANNOTATION)
    @blueprint.alt_response(
        200, schema=schemas.AnnotationSchema, example=examples.ANNOTATION, description="It was there already"
    )
    @problems(blueprint, NotFoundError, IdTakenError, StaleDocumentError, InvalidInputError)
    def post(self, body: dict[str, Any], sample_id: UUID) -> Any:
        """Add one object: your own outline, or `contour_id` of one that was inferred."""
        wanted = operations.AnnotationRequest(
            body["id"], body["contour"], body["contour_id"], body["label_id"], body["label"]
        )
        sample, added, changed = operations.add(
            clients().sessions, sample_id, wanted, _check_document, current_user_id()
        )
        return render(added), 201 if changed else 200, {"ETag": document_etag(sample)}


@blueprint.route("/<uuid:sample_id>/annotations/<uuid:annotation_id>")
class OneAnnotation(MethodView):
    """One object of an image."""

    @blueprint.doc(operationId="deleteAnnotation")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError, StaleDocumentError)
    def delete(self, sample_id: UUID, annotation_id: UUID) -> Any:
        """Delete one object; an image without objects is unlabeled again."""
        sample = operations.remove(
            clients().sessions, sample_id, annotation_id, _check_document, current_user_id()
        )
        return None, 204, {"ETag": document_etag(sample)}


@blueprint.route("/<uuid:sample_id>/draft")
class DraftOfCaller(MethodView):
    """What the caller has not saved yet."""

    @blueprint.doc(operationId="getDraft")
    @blueprint.response(
        200,
        schemas.DraftSchema,
        example={
            "sample_id": examples.SAMPLE_ID,
            "base_revision": 0,
            "annotations": [],
            "updated_at": examples.TIME,
        },
    )
    @problems(blueprint, NotFoundError)
    def get(self, sample_id: UUID) -> Any:
        """Read your draft on an image."""
        return operations.read_draft(clients().sessions, sample_id, current_user_id())

    @blueprint.doc(operationId="discardDraft")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError)
    def delete(self, sample_id: UUID) -> None:
        """Throw your draft on an image away."""
        operations.discard_draft(clients().sessions, sample_id, current_user_id())


def render(found: LabeledAnnotation) -> dict[str, Any]:
    """An annotation as the contract shows it."""
    row = found.row
    return {
        "id": row.annotation_id,
        "label": render_label(found.label),
        "contour": row.contour,
        "bbox": row.bounding_box,
        "area": row.area,
        "method": row.method,
        "prompt": row.prompt,
        "contour_id": row.contour_id,
        "engine": row.engine,
        "model_digest": row.model_digest,
        "score": row.score,
        "created_by": row.created_by,
        "created_at": row.created_at,
    }


def document_etag(sample: Sample) -> str:
    """The entity tag of a sample's annotation document."""
    return etags.etag_of("document", sample.revision)


def _check_document(sample: Sample) -> None:
    etags.check_if_match(document_etag(sample))
