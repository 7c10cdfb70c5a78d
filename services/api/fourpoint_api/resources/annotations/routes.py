"""Routes of annotations."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.annotations import operations, schemas
from fourpoint_api.resources.annotations.conditions import required_condition, stated_condition
from fourpoint_api.resources.annotations.operations import AnnotationRequest, GeometryEdit
from fourpoint_api.resources.annotations.preconditions import document_etag
from fourpoint_api.resources.annotations.rendering import render, render_document
from fourpoint_api.web import etags, examples, idempotency, plain_json
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id
from fourpoint_api.web.documented import not_modified, problems
from fourpoint_api.web.response_headers import sends
from fourpoint_core.domain.annotations import TRAITS
from fourpoint_core.domain.edits import VertexEdit
from fourpoint_core.domain.geometry import Box
from fourpoint_core.errors import (
    IdTakenError,
    InvalidInputError,
    LabelDeletedError,
    NotFoundError,
    PreconditionRequiredError,
    StaleDocumentError,
)

blueprint = Blueprint("annotations", __name__, url_prefix="/v1/samples", description="Outlines and labels")
_CHANGES = {
    "a drag": {"value": {"move": {"dx": 12.5, "dy": -3}}},
    "a stretch": {"value": {"resize": {"box": [60, 10, 300, 299]}}},
    "vertices": {"value": {"vertices": [{"action": "move", "index": 2, "to": [141, 298]}]}},
    "back to what was inferred": {"value": {"reset": "inferred"}},
    "words": {"value": {"label": "kitten", "difficult": True, "attributes": {"pose": "asleep"}}},
}


@blueprint.route("/<uuid:sample_id>/annotations")
class Annotations(MethodView):
    """The annotation document of an image."""

    @blueprint.doc(operationId="getAnnotations")
    @blueprint.response(200, schemas.DocumentSchema, example=examples.DOCUMENT)
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError)
    def get(self, sample_id: UUID) -> Any:
        """Read all objects of an image; the ETag names the revision."""
        document = operations.read_document(clients().sessions, sample_id)
        tag = document_etag(document.sample, document.annotations)
        if etags.is_known(tag):
            return etags.not_modified(tag)
        return plain_json.answer(render_document(document), {"ETag": tag})

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="replaceAnnotations")
    @blueprint.arguments(
        schemas.DocumentChangeSchema,
        example={
            "annotations": [
                {"id": examples.ANNOTATION_ID},
                {"id": examples.NEW_ANNOTATION_ID, "contour": examples.CONTOUR, "label": "cat"},
            ]
        },
    )
    @blueprint.response(200, schemas.DocumentSchema, example=examples.DOCUMENT)
    @problems(
        blueprint,
        NotFoundError,
        LabelDeletedError,
        StaleDocumentError,
        PreconditionRequiredError,
        InvalidInputError,
    )
    def put(self, body: dict[str, Any], sample_id: UUID) -> Any:
        """Save the whole document, as one revision; `If-Match` is required, and your draft is cleared.

        What is not listed is deleted; what an object that exists leaves out stays as it is, so its id alone
        keeps it. Saving again what is there already changes nothing.
        """
        wanted = [_wanted(item) for item in body["annotations"]]
        document = operations.replace_all(
            clients().sessions, sample_id, wanted, required_condition(), current_user_id()
        )
        tag = document_etag(document.sample, document.annotations)
        return plain_json.answer(render_document(document), {"ETag": tag})

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="addAnnotation")
    @blueprint.arguments(
        schemas.NewAnnotationSchema, example={"contour_id": examples.CONTOUR_ID, "label": "cat"}
    )
    @blueprint.response(201, schemas.AnnotationSchema, example=examples.ANNOTATION)
    @blueprint.alt_response(
        200, schema=schemas.AnnotationSchema, example=examples.ANNOTATION, description="It was there already"
    )
    @problems(blueprint, NotFoundError, IdTakenError, LabelDeletedError, StaleDocumentError, InvalidInputError)
    def post(self, body: dict[str, Any], sample_id: UUID) -> Any:
        """Add one object: your own outline, or `contour_id` of one that was inferred."""
        earlier = idempotency.earlier()
        if earlier is not None:
            sample, added, is_new = operations.added_before(clients().sessions, sample_id, earlier)
        else:
            sample, added, is_new = operations.add(
                clients().sessions, sample_id, _wanted(body), stated_condition(), current_user_id()
            )
        return plain_json.answer(render(added), {"ETag": document_etag(sample)}, 201 if is_new else 200)

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="deleteAnnotations")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError, StaleDocumentError, PreconditionRequiredError)
    def delete(self, sample_id: UUID) -> Any:
        """Delete all objects of an image; `If-Match` is required, and undo brings them back."""
        sample = operations.remove_all(clients().sessions, sample_id, required_condition(), current_user_id())
        return None, 204, {"ETag": document_etag(sample)}


@blueprint.route("/<uuid:sample_id>/annotations/<uuid:annotation_id>")
class OneAnnotation(MethodView):
    """One object of an image."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="getAnnotation")
    @blueprint.response(200, schemas.AnnotationSchema, example=examples.ANNOTATION)
    @problems(blueprint, NotFoundError)
    def get(self, sample_id: UUID, annotation_id: UUID) -> Any:
        """Read one object; the ETag is the document's."""
        sample, found = operations.read_one(clients().sessions, sample_id, annotation_id)
        return plain_json.answer(render(found), {"ETag": document_etag(sample)})

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="changeAnnotation")
    @blueprint.arguments(schemas.AnnotationChangeSchema, examples=_CHANGES)
    @blueprint.response(200, schemas.AnnotationSchema, example=examples.ANNOTATION)
    @problems(
        blueprint,
        NotFoundError,
        LabelDeletedError,
        StaleDocumentError,
        PreconditionRequiredError,
        InvalidInputError,
    )
    def patch(self, body: dict[str, Any], sample_id: UUID, annotation_id: UUID) -> Any:
        """Change one object: its label, what is said of it, or its outline.

        `If-Match` is required with `contour`, `vertices`, `move` and `reset: before_edit`, which say nothing
        without the outline that they start from: sent twice, a drag would drag twice.
        """
        blind = body.keys() & {"contour", "vertices", "move"} or body.get("reset") == "before_edit"
        sample, changed = operations.change(
            clients().sessions,
            sample_id,
            annotation_id,
            _wanted(body),
            _edit(body),
            required_condition() if blind else stated_condition(),
            current_user_id(),
        )
        return plain_json.answer(render(changed), {"ETag": document_etag(sample)})

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="deleteAnnotation")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError, StaleDocumentError)
    def delete(self, sample_id: UUID, annotation_id: UUID) -> Any:
        """Delete one object; an image without objects is unlabeled again."""
        sample = operations.remove(
            clients().sessions, sample_id, annotation_id, stated_condition(), current_user_id()
        )
        return None, 204, {"ETag": document_etag(sample)}


def _wanted(body: dict[str, Any]) -> AnnotationRequest:
    return AnnotationRequest(
        id=body.get("id"),
        contour=body.get("contour"),
        contour_id=body.get("contour_id"),
        label_id=body.get("label_id"),
        label_name=body.get("label"),
        traits={name: body[name] for name in TRAITS if name in body},
    )


def _edit(body: dict[str, Any]) -> GeometryEdit:
    move, resize = body.get("move"), body.get("resize")
    return GeometryEdit(
        move=None if move is None else (move["dx"], move["dy"]),
        resize=None if resize is None else Box(*resize["box"]),
        vertices=[
            VertexEdit(item["action"], item["part"], item["ring"], item["index"], _vertex(item.get("to")))
            for item in body.get("vertices", ())
        ],
        reset=body.get("reset"),
    )


def _vertex(to: list[float] | None) -> tuple[float, float] | None:
    return None if to is None else (to[0], to[1])
