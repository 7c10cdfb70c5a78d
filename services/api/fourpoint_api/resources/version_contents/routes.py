"""Routes of what versions hold."""

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.annotations.rendering import render as render_annotation
from fourpoint_api.resources.samples.routes import render as render_sample
from fourpoint_api.resources.version_contents import operations, schemas
from fourpoint_api.web import examples, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.documented import file_content, not_modified, problems
from fourpoint_api.web.media import stream_object
from fourpoint_api.web.problems import RangeNotSatisfiableError
from fourpoint_api.web.response_headers import sends
from fourpoint_api.web.schemas import UncountedPageQuerySchema
from fourpoint_core.errors import (
    InvalidInputError,
    NotFoundError,
    ObjectGoneError,
    ObjectMissingError,
    StorageUnavailableError,
    VersionStateError,
)
from fourpoint_core.imaging.inspect import SUFFIXES
from fourpoint_core.store.queries import pins
from fourpoint_core.store.queries.version_contents import Pinned

blueprint = Blueprint(
    "version_contents",
    __name__,
    url_prefix="/v1/datasets/<uuid:dataset_id>/versions/<uuid:version_id>",
    description="What versions hold",
)
_FILE = {"state": "there", "since": None, "deleted_by": None}
_PINNED = {"sample": examples.SAMPLE, "file": _FILE, "annotations": [examples.ANNOTATION]}
_DRIFT = {
    "sample_id": examples.SAMPLE_ID,
    "name": "cat.png",
    "object_key": f"datasets/{examples.DATASET_ID}/cat.png",
    "state": "deleted",
    "since": examples.TIME,
    "deleted_by": examples.USER_ID,
}


@blueprint.route("/samples/<uuid:sample_id>")
class VersionSample(MethodView):
    """An image of a version."""

    @blueprint.doc(operationId="getVersionSample")
    @blueprint.response(200, schemas.VersionSampleSchema, example=_PINNED)
    @problems(blueprint, NotFoundError, VersionStateError)
    def get(self, dataset_id: UUID, version_id: UUID, sample_id: UUID) -> Any:
        """Read what a version says of an image: also when that was changed, deleted or moved since."""
        found = operations.read(clients().sessions, dataset_id, version_id, sample_id)
        return {
            "sample": render_sample(pins.as_sample(found.pinned.pin)),
            "file": _render_file(found.pinned),
            "annotations": [render_annotation(one) for one in found.objects],
        }


@blueprint.route("/samples/<uuid:sample_id>/image")
class VersionImage(MethodView):
    """The file of an image of a version."""

    @sends(blueprint, "Accept-Ranges", "Cache-Control")
    @blueprint.doc(
        operationId="getVersionImage",
        responses={
            "200": {"description": "The file that the version pinned", "content": file_content(*SUFFIXES)},
            "206": {"description": "The range asked for", "content": file_content(*SUFFIXES)},
        },
    )
    @not_modified(blueprint)
    @problems(
        blueprint,
        NotFoundError,
        VersionStateError,
        ObjectGoneError,
        ObjectMissingError,
        RangeNotSatisfiableError,
        StorageUnavailableError,
    )
    def get(self, dataset_id: UUID, version_id: UUID, sample_id: UUID) -> Response:
        """Read the image file of a version; where the bucket has other bytes by now, or none, 410 says why."""
        held = clients()
        pinned, key = operations.find_file(held.sessions, held.store, dataset_id, version_id, sample_id)
        return stream_object(held.store, key, pinned.pin.digest, pinned.pin.media_type)


@blueprint.route("/drift")
class VersionDrift(MethodView):
    """Files that are no longer those that a version pinned."""

    @sends(blueprint, "Link")
    @blueprint.doc(operationId="listVersionDrift")
    @blueprint.arguments(UncountedPageQuerySchema, location="query")
    @blueprint.response(200, schemas.DriftPageSchema, example={"items": [_DRIFT], "next_cursor": None})
    @problems(blueprint, NotFoundError, VersionStateError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID, version_id: UUID) -> Any:
        """List the images of a version whose file was replaced, went missing, or was deleted since."""
        scope = f"drift {version_id}"
        after = paging.open_cursor(query["cursor"], scope, lambda _, sample_id: UUID(sample_id))
        page, last = operations.drift(clients().sessions, dataset_id, version_id, after, query["limit"])
        items = [
            {
                "sample_id": one.pin.sample_id,
                "name": one.pin.name,
                "object_key": one.pin.object_key,
                **_render_file(one),
            }
            for one in page
        ]
        body, headers = paging.list_body(items, scope, None if last is None else ("", str(last)), None)
        return body, 200, headers


def _render_file(pinned: Pinned) -> dict[str, Any]:
    return {"state": pinned.state, "since": pinned.since, "deleted_by": pinned.by}
