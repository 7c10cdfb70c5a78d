"""Routes of drafts."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.drafts import operations, schemas
from fourpoint_api.web import examples
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id
from fourpoint_api.web.documented import problems
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.store.models import Draft, Sample

blueprint = Blueprint("drafts", __name__, url_prefix="/v1/samples", description="Work that is not saved yet")
_items = schemas.DraftItemSchema(many=True)
_DRAFT = {
    "sample_id": examples.SAMPLE_ID,
    "base_revision": 1,
    "current_revision": 2,
    "moved_on": True,
    "annotations": [{"id": examples.ANNOTATION_ID, "contour": examples.CONTOUR, "label": "cat"}],
    "updated_at": examples.TIME,
}


@blueprint.route("/<uuid:sample_id>/draft")
class DraftOfCaller(MethodView):
    """What the caller has not saved yet."""

    @blueprint.doc(operationId="getDraft")
    @blueprint.response(200, schemas.DraftSchema, example=_DRAFT)
    @problems(blueprint, NotFoundError)
    def get(self, sample_id: UUID) -> Any:
        """Read your draft on an image; `moved_on` says that the document was saved meanwhile."""
        return _render(*operations.read(clients().sessions, sample_id, current_user_id()))

    @blueprint.doc(operationId="saveDraft")
    @blueprint.arguments(
        schemas.DraftChangeSchema,
        example={"annotations": _DRAFT["annotations"], "base_revision": 1},
    )
    @blueprint.response(200, schemas.DraftSchema, example=_DRAFT)
    @problems(blueprint, NotFoundError, InvalidInputError)
    def put(self, body: dict[str, Any], sample_id: UUID) -> Any:
        """Keep your draft on an image, as often as you like; the document and everybody else see nothing of it.

        Outlines may be half drawn: they are checked when the document is saved, which clears the draft.
        """
        entries = _items.dump(body["annotations"])
        sample, draft = operations.keep(
            clients().sessions, sample_id, current_user_id(), entries, body["base_revision"]
        )
        return _render(sample, draft)

    @blueprint.doc(operationId="discardDraft")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError)
    def delete(self, sample_id: UUID) -> None:
        """Throw your draft on an image away."""
        operations.discard(clients().sessions, sample_id, current_user_id())


def _render(sample: Sample, draft: Draft) -> dict[str, Any]:
    return {
        "sample_id": draft.sample_id,
        "base_revision": draft.base_revision,
        "current_revision": sample.revision,
        "moved_on": sample.revision > draft.base_revision,
        "annotations": draft.annotations,
        "updated_at": draft.updated_at,
    }
