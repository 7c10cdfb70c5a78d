"""Routes of history."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.annotations.conditions import required_condition
from fourpoint_api.resources.annotations.operations import Document, read_document
from fourpoint_api.resources.annotations.preconditions import document_etag, render_revision
from fourpoint_api.resources.annotations.rendering import render, render_document
from fourpoint_api.resources.annotations.schemas import DocumentSchema
from fourpoint_api.resources.history import operations, schemas
from fourpoint_api.web import examples, idempotency, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id
from fourpoint_api.web.documented import problems
from fourpoint_api.web.response_headers import sends
from fourpoint_core.errors import (
    FrameChangedError,
    HistoryEndError,
    InvalidInputError,
    LabelDeletedError,
    NotFoundError,
    PreconditionRequiredError,
    StaleDocumentError,
)
from fourpoint_core.store.queries.paging import Keyset, Page

blueprint = Blueprint("history", __name__, url_prefix="/v1/samples", description="Undo, redo, revisions")
# What PostgreSQL's integers hold; a larger number names no revision.
_NUMBER = "<int(max=2147483647):number>"


@blueprint.route("/<uuid:sample_id>/revisions")
class Revisions(MethodView):
    """The saves of a document."""

    @blueprint.doc(operationId="listRevisions")
    @blueprint.arguments(schemas.RevisionQuerySchema, location="query")
    @blueprint.response(
        200, schemas.RevisionPageSchema, example={"items": [examples.REVISION], "next_cursor": None}
    )
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], sample_id: UUID) -> Any:
        """List the saves of an image's document, newest first."""
        scope = f"revisions {sample_id}"
        after = paging.read_cursor(query["cursor"], scope)
        rows, more = operations.listing(
            clients().sessions, sample_id, None if after is None else after.id.int, query["limit"]
        )
        # Revisions are numbered: where the cursors of other lists hold an id, theirs hold the number.
        following = Keyset(rows[-1].created_at, UUID(int=rows[-1].number)) if more else None
        body, headers = paging.page_body(Page(rows, following), scope, render_revision, None)
        return body, 200, headers


@blueprint.route(f"/<uuid:sample_id>/revisions/{_NUMBER}")
class OneRevision(MethodView):
    """One save."""

    @blueprint.doc(operationId="getRevision")
    @blueprint.response(
        200,
        schemas.RevisionDocumentSchema,
        example={
            **examples.REVISION,
            "sample_id": examples.SAMPLE_ID,
            "annotations": [examples.ANNOTATION],
        },
    )
    @problems(blueprint, NotFoundError)
    def get(self, sample_id: UUID, number: int) -> Any:
        """Read the objects of a revision, under the names that their labels have now."""
        revision, found = operations.read(clients().sessions, sample_id, number)
        objects = [render(item) for item in found]
        return {**render_revision(revision), "sample_id": sample_id, "annotations": objects}


@blueprint.route(f"/<uuid:sample_id>/revisions/{_NUMBER}/changes")
class Changes(MethodView):
    """What a save changed."""

    @blueprint.doc(operationId="compareRevisions")
    @blueprint.arguments(schemas.ChangesQuerySchema, location="query")
    @blueprint.response(
        200,
        schemas.DifferenceSchema,
        example={
            "sample_id": examples.SAMPLE_ID,
            "since": 1,
            "revision": 2,
            "added": [],
            "removed": [],
            "changed": [
                {
                    "id": examples.ANNOTATION_ID,
                    "fields": ["difficult"],
                    "before": examples.ANNOTATION,
                    "after": {**examples.ANNOTATION, "difficult": True},
                }
            ],
        },
    )
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], sample_id: UUID, number: int) -> Any:
        """Compare a revision with another one: what was added, removed, and changed in which fields."""
        since = max(0, number - 1) if query["since"] is None else query["since"]
        found = operations.difference(clients().sessions, sample_id, number, since)
        return {
            "sample_id": sample_id,
            "since": since,
            "revision": number,
            "added": [render(item) for item in found.added],
            "removed": [render(item) for item in found.removed],
            "changed": [
                {
                    "id": after.row.annotation_id,
                    "fields_": fields,
                    "before": render(before),
                    "after": render(after),
                }
                for before, after, fields in found.changed
            ],
        }


@blueprint.route(f"/<uuid:sample_id>/revisions/{_NUMBER}/restore")
class Restoration(MethodView):
    """Coming back to a revision."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="restoreRevision")
    @blueprint.response(200, DocumentSchema, example=examples.DOCUMENT)
    @problems(
        blueprint,
        NotFoundError,
        LabelDeletedError,
        FrameChangedError,
        StaleDocumentError,
        PreconditionRequiredError,
    )
    def post(self, sample_id: UUID, number: int) -> Any:
        """Bring back the objects of a revision, 0 being none, as a save that can be undone."""
        return _answer(
            _saved_before(sample_id)
            or operations.restore(
                clients().sessions, sample_id, number, required_condition(), current_user_id()
            )
        )


@blueprint.route("/<uuid:sample_id>/undo")
class Undo(MethodView):
    """The last save, taken back."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="undoSave")
    @blueprint.response(200, DocumentSchema, example=examples.DOCUMENT)
    @problems(
        blueprint,
        NotFoundError,
        HistoryEndError,
        LabelDeletedError,
        FrameChangedError,
        StaleDocumentError,
        PreconditionRequiredError,
    )
    def post(self, sample_id: UUID) -> Any:
        """Undo the last save that still stands. It is a revision of its own; nothing leaves history."""
        return _answer(
            _saved_before(sample_id)
            or operations.undo(clients().sessions, sample_id, required_condition(), current_user_id())
        )


@blueprint.route("/<uuid:sample_id>/redo")
class Redo(MethodView):
    """The last undo, taken back."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="redoSave")
    @blueprint.response(200, DocumentSchema, example=examples.DOCUMENT)
    @problems(
        blueprint,
        NotFoundError,
        HistoryEndError,
        LabelDeletedError,
        FrameChangedError,
        StaleDocumentError,
        PreconditionRequiredError,
    )
    def post(self, sample_id: UUID) -> Any:
        """Redo what was undone last; after another save there is nothing to redo."""
        return _answer(
            _saved_before(sample_id)
            or operations.redo(clients().sessions, sample_id, required_condition(), current_user_id())
        )


def _saved_before(sample_id: UUID) -> Document | None:
    """The document as it is now, where this request changed it before and its answer was lost."""
    return None if idempotency.earlier() is None else read_document(clients().sessions, sample_id)


def _answer(document: Document) -> Any:
    tag = document_etag(document.sample, document.annotations)
    return render_document(document), 200, {"ETag": tag}
