"""Routes of samples: list, upload, read, bytes, thumbnails."""

from typing import Any
from uuid import UUID

from flask import Response, request
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.samples import operations, schemas, uploads
from fourpoint_api.web import etags, examples, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs
from fourpoint_api.web.documented import not_modified, problems
from fourpoint_api.web.media import immutable_bytes, stream_object
from fourpoint_api.web.problems import RangeNotSatisfiableError, UnsupportedMediaTypeError
from fourpoint_api.web.strict_json import escaped
from fourpoint_core.domain.access import Role
from fourpoint_core.errors import (
    BatchTooLargeError,
    DamagedImageError,
    FileTooLargeError,
    InvalidInputError,
    NotFoundError,
    ObjectMissingError,
    StorageUnavailableError,
    TooManyPixelsError,
    UnsupportedImageError,
    UploadRefusedError,
)
from fourpoint_core.store.models import Sample

# What multipart adds to the files: boundaries, headers and names.
ENVELOPE_BYTES = 512 * 1024


def _binary(*types: str) -> dict[str, Any]:
    schema = {"type": "string", "contentMediaType": "application/octet-stream"}
    return {name: {"schema": schema} for name in types or ("image/jpeg", "image/png", "image/bmp")}


blueprint = Blueprint("samples", __name__, url_prefix="/v1", description="Images")


@blueprint.route("/datasets/<uuid:dataset_id>/samples")
class Samples(MethodView):
    """The images of a dataset."""

    @blueprint.doc(operationId="listSamples")
    @blueprint.arguments(schemas.SampleQuerySchema, location="query")
    @blueprint.response(
        200, schemas.SamplePageSchema, example={"items": [examples.SAMPLE], "next_cursor": None}
    )
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List images in the order they came: all, labeled or unlabeled."""
        scope = f"samples {dataset_id} {query['status'].value}"
        page, total = operations.listing(
            clients().sessions,
            dataset_id,
            query["status"],
            paging.read_cursor(query["cursor"], scope),
            query["limit"],
            count=query["count"] is not None,
        )
        body, headers = paging.page_body(page, scope, render, total)
        return body, 200, headers

    @needs(Role.OWNER)
    @blueprint.doc(
        operationId="uploadSamples",
        requestBody={
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["files"],
                        "properties": {
                            "files": {
                                "type": "array",
                                "items": {"type": "string", "contentMediaType": "application/octet-stream"},
                            }
                        },
                    },
                    "example": {"files": ["(bytes of cat.png)"]},
                }
            },
        },
    )
    @blueprint.response(
        201, schemas.UploadSchema, example={"items": [{**examples.SAMPLE, "original_name": "cat.png"}]}
    )
    @problems(
        blueprint,
        NotFoundError,
        FileTooLargeError,
        BatchTooLargeError,
        UnsupportedImageError,
        UnsupportedMediaTypeError,
        DamagedImageError,
        TooManyPixelsError,
        UploadRefusedError,
        InvalidInputError,
        StorageUnavailableError,
    )
    def post(self, dataset_id: UUID) -> Any:
        """Upload images (fields named `files`): JPEG, PNG or BMP by content. All are stored, or none."""
        files = _read_files()
        rows = uploads.upload(
            clients().sessions, clients().store, clients().settings, dataset_id, files, current_user_id()
        )
        items = [{**render(row), "original_name": file.name} for row, file in zip(rows, files, strict=True)]
        return {"items": items}, 201


@blueprint.route("/samples/<uuid:sample_id>")
class OneSample(MethodView):
    """One image."""

    @blueprint.doc(operationId="getSample")
    @blueprint.response(200, schemas.SampleSchema, example=examples.SAMPLE)
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError)
    def get(self, sample_id: UUID) -> Any:
        """Read an image's facts and its state."""
        sample = operations.read(clients().sessions, sample_id)
        tag = etags.etag_of("sample", sample.revision)
        return etags.not_modified(tag) if etags.is_known(tag) else (render(sample), 200, {"ETag": tag})


@blueprint.route("/samples/<uuid:sample_id>/image")
class SampleImage(MethodView):
    """The bytes of an image."""

    @blueprint.doc(
        operationId="getSampleImage",
        responses={
            "200": {"description": "The file as it was uploaded", "content": _binary()},
            "206": {"description": "The range asked for", "content": _binary()},
        },
    )
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError, ObjectMissingError, RangeNotSatisfiableError, StorageUnavailableError)
    def get(self, sample_id: UUID) -> Response:
        """Read the image file, with ETag and Range."""
        sample = operations.read(clients().sessions, sample_id)
        return stream_object(clients().store, sample.object_key, sample.digest, sample.media_type)


@blueprint.route("/samples/<uuid:sample_id>/thumbnail")
class SampleThumbnail(MethodView):
    """A small picture of an image."""

    @blueprint.doc(
        operationId="getSampleThumbnail",
        responses={"200": {"description": "An upright JPEG", "content": _binary("image/jpeg")}},
    )
    @blueprint.arguments(schemas.ThumbnailQuerySchema, location="query")
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError, ObjectMissingError, InvalidInputError, StorageUnavailableError)
    def get(self, query: dict[str, Any], sample_id: UUID) -> Response:
        """Read a thumbnail: upright, whatever the camera's orientation."""
        sample = operations.read(clients().sessions, sample_id)
        data = operations.thumbnail(clients().store, sample, query["size"])
        return immutable_bytes(data, f"{sample.digest}-{query['size']}", "image/jpeg")


def render(sample: Sample) -> dict[str, Any]:
    """A sample as the contract shows it."""
    return {
        "id": sample.id,
        "dataset_id": sample.dataset_id,
        "name": sample.name,
        "object_key": sample.object_key,
        "digest": sample.digest,
        "media_type": sample.media_type,
        "size_bytes": sample.size_bytes,
        "width": sample.width,
        "height": sample.height,
        "status": "labeled" if sample.annotation_count else "unlabeled",
        "annotation_count": sample.annotation_count or 0,
        "revision": sample.revision or 0,
        "labeled_by": sample.labeled_by,
        "labeled_at": sample.labeled_at,
        "created_by": sample.created_by,
        "created_at": sample.created_at,
    }


def _read_files() -> list[uploads.UploadedFile]:
    settings = clients().settings
    request.max_content_length = settings.max_batch_bytes + ENVELOPE_BYTES
    # More than may be sent at once, so that who sends too many is told so.
    request.max_form_parts = 4 * uploads.MAX_FILES
    if (request.content_length or 0) > request.max_content_length:
        raise BatchTooLargeError(
            f"The upload is over {settings.max_batch_bytes:,} bytes; send the files in several uploads."
        )
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaTypeError("Send the images as multipart/form-data, in fields named `files`.")
    unknown = sorted({*request.form, *request.files} - {"files"})
    if unknown:
        raise InvalidInputError.at(
            f"/{escaped(unknown[0])}", "unknown_field", "Send only fields named `files`."
        )
    return [
        uploads.UploadedFile(item.filename or "image", item.stream.read())
        for item in request.files.getlist("files")
    ]
