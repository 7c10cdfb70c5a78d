"""Routes of samples: list, upload, read, bytes, thumbnails."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask import Response, request
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.filters.schemas import (
    SampleFilterSchema,
    SortedFilterSchema,
    filter_of,
)
from fourpoint_api.resources.samples import operations, schemas, upload_rendering, uploads
from fourpoint_api.web import etags, examples, idempotency, paging, plain_json
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs, takes_signatures
from fourpoint_api.web.documented import binary, file_content, not_modified, problems
from fourpoint_api.web.hanging_up import require_client
from fourpoint_api.web.media import immutable_bytes, stream_object
from fourpoint_api.web.problems import BadRequestError, RangeNotSatisfiableError, UnsupportedMediaTypeError
from fourpoint_api.web.response_headers import sends
from fourpoint_api.web.strict_json import escaped
from fourpoint_core.domain.access import Role
from fourpoint_core.domain.filters import SORTS, SampleFilter, Sort, SortKey, Status
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
from fourpoint_core.imaging.inspect import SUFFIXES
from fourpoint_core.store.models import Sample
from fourpoint_core.store.queries.sample_rows import ListedSample, Place

# What multipart adds to the files: boundaries, headers and names.
ENVELOPE_BYTES = 512 * 1024


_EVERYTHING = SampleFilterSchema().load({})
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
        """List images: those of a tab, those that match a filter, in the order asked for."""
        wanted, sort = filter_of(query), SORTS[query["sort"]]
        scope = _scope(dataset_id, wanted, sort)
        page, total = operations.listing(
            clients().sessions,
            dataset_id,
            wanted,
            sort,
            paging.open_cursor(query["cursor"], scope, lambda value, row_id: _place(sort, value, row_id)),
            query["limit"],
            count=query["count"],
        )
        items = [render(row) for row in page.rows]
        return plain_json.answer(*paging.list_body(items, scope, _place_values(page.next), total))

    @needs(Role.OWNER)
    @idempotency.begins_itself
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
                                "minItems": 1,
                                "items": binary("application/octet-stream"),
                            }
                        },
                    },
                    "encoding": {"files": {"contentType": ", ".join(SUFFIXES)}},
                    "example": {"files": ["(bytes of cat.png)"]},
                }
            },
        },
    )
    @blueprint.arguments(schemas.UploadQuerySchema, location="query")
    @blueprint.response(201, schemas.UploadSchema, example={"items": [upload_rendering.EXAMPLE]})
    @blueprint.alt_response(
        200,
        schema=schemas.UploadReportSchema,
        example=upload_rendering.REPORT_EXAMPLE,
        description="With `validate_only`: what would become of each file",
    )
    @problems(
        blueprint,
        BadRequestError,
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
    def post(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """Upload images (fields named `files`): JPEG, PNG or BMP by content. All are stored, or none.

        `validate_only=true` stores nothing, and says for each file what would become of it.
        """
        files = _read_files()
        held = clients()
        if query["validate_only"]:
            found = uploads.report(
                held.sessions, held.store, held.decoder, held.settings, dataset_id, files, require_client
            )
            return Response(upload_rendering.report_json(found, held.settings), mimetype="application/json")
        before = idempotency.begin_with_files([x.name for x in files], [x.data for x in files])
        if before is not None:
            return before
        earlier = idempotency.earlier()
        if earlier is not None:
            stored = uploads.stored_before(held.sessions, earlier)
        else:
            stored = uploads.upload(
                held.sessions,
                held.store,
                held.decoder,
                held.settings,
                dataset_id,
                files,
                current_user_id(),
                require_client,
            )
        items = [
            {**render(item.sample), **upload_rendering.about(item, file.name)}
            for item, file in zip(stored, files, strict=False)
        ]
        return {"items": items}, 201


@blueprint.route("/datasets/<uuid:dataset_id>/samples/next")
class NextSample(MethodView):
    """The image to be labeled next."""

    @blueprint.doc(operationId="takeNextSample")
    @blueprint.arguments(schemas.NextSampleRequestSchema, example={"lease_seconds": 600})
    @blueprint.response(
        200, schemas.NextSampleSchema, example={"sample": examples.SAMPLE, "expires_at": examples.TIME}
    )
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Take the next unlabeled image: nobody else is given it until you save, or until the lease ends.

        Asked again, you get the same image, for longer. What you `skip` is given back.
        """
        wanted = {**_EVERYTHING, **(body["filter"] or {})}
        lease = operations.take_next(
            clients().sessions,
            dataset_id,
            filter_of(wanted),
            SORTS[body["sort"]],
            current_user_id(),
            timedelta(seconds=body["lease_seconds"]),
            body["skip"],
        )
        if lease is None:
            return {"sample": None, "expires_at": None}
        return {"sample": render(lease.sample), "expires_at": lease.expires_at}


@blueprint.route("/samples/<uuid:sample_id>/lease")
class SampleLeases(MethodView):
    """That an image is yours to label."""

    @blueprint.doc(operationId="releaseSampleLease")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError)
    def delete(self, sample_id: UUID) -> Response:
        """Give an image back that you took; nothing happens when it is not yours."""
        operations.release(clients().sessions, sample_id, current_user_id())
        return Response(status=204)


@blueprint.route("/samples/<uuid:sample_id>/neighbours")
class SampleNeighbours(MethodView):
    """What lies around an image in a list."""

    @blueprint.doc(operationId="getSampleNeighbours")
    @blueprint.arguments(SortedFilterSchema, location="query")
    @blueprint.response(200, schemas.NeighboursSchema, example={"previous": None, "next": examples.SAMPLE_ID})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], sample_id: UUID) -> Any:
        """Read which images come before and after this one, under the filter and sort of a list.

        The image itself need not match: it may just have left the tab that it was opened from.
        """
        before, after = operations.neighbours(
            clients().sessions, sample_id, filter_of(query), SORTS[query["sort"]]
        )
        return plain_json.answer({"previous": before, "next": after})


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
        tag = _etag(sample)
        return etags.not_modified(tag) if etags.is_known(tag) else (render(sample), 200, {"ETag": tag})


@blueprint.route("/samples/<uuid:sample_id>/change/confirm")
class SampleChange(MethodView):
    """That another file was found in an image's place."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="confirmSampleChange")
    @blueprint.response(200, schemas.SampleSchema, example=examples.SAMPLE)
    @problems(blueprint, NotFoundError)
    def post(self, sample_id: UUID) -> Any:
        """Say that you have looked at an image since its file was replaced; `changed_at` is null then."""
        sample = operations.confirm_change(clients().sessions, sample_id)
        return render(sample), 200, {"ETag": _etag(sample)}


@blueprint.route("/samples/<uuid:sample_id>/image")
class SampleImage(MethodView):
    """The bytes of an image."""

    @takes_signatures
    @sends(blueprint, "Accept-Ranges", "Cache-Control")
    @blueprint.doc(
        operationId="getSampleImage",
        responses={
            "200": {"description": "The file as it was uploaded", "content": file_content(*SUFFIXES)},
            "206": {"description": "The range asked for", "content": file_content(*SUFFIXES)},
        },
    )
    @blueprint.arguments(schemas.ImageQuerySchema, location="query")
    @not_modified(blueprint)
    @problems(
        blueprint,
        NotFoundError,
        ObjectMissingError,
        RangeNotSatisfiableError,
        InvalidInputError,
        StorageUnavailableError,
    )
    def get(self, _query: dict[str, Any], sample_id: UUID) -> Response:
        """Read the image file, with ETag and Range."""
        sample = operations.read(clients().sessions, sample_id)
        return stream_object(clients().store, sample.object_key, sample.digest, sample.media_type)


@blueprint.route("/samples/<uuid:sample_id>/thumbnail")
class SampleThumbnail(MethodView):
    """A small picture of an image."""

    @takes_signatures
    @sends(blueprint, "Accept-Ranges", "Cache-Control")
    @blueprint.doc(
        operationId="getSampleThumbnail",
        responses={"200": {"description": "An upright JPEG", "content": file_content("image/jpeg")}},
    )
    @blueprint.arguments(schemas.ThumbnailQuerySchema, location="query")
    @not_modified(blueprint)
    @problems(
        blueprint,
        NotFoundError,
        ObjectMissingError,
        InvalidInputError,
        StorageUnavailableError,
    )
    def get(self, query: dict[str, Any], sample_id: UUID) -> Response:
        """Read a thumbnail: upright, whatever the camera's orientation."""
        held = clients()
        sample = operations.read(held.sessions, sample_id)
        data = operations.thumbnail(held.sessions, held.store, held.decoder, sample, query["size"])
        return immutable_bytes(data, f"{sample.digest}-{query['size']}", "image/jpeg")


def render(sample: Sample | ListedSample) -> dict[str, Any]:
    """A sample as the contract shows it."""
    return {
        "id": sample.id,
        "dataset_id": sample.dataset_id,
        "name": sample.name,
        "object_key": sample.object_key,
        "digest": sample.known_sha256,
        "media_type": sample.media_type,
        "size_bytes": sample.size_bytes,
        "width": sample.width,
        "height": sample.height,
        "status": _status(sample),
        "annotation_count": sample.annotation_count or 0,
        "revision": sample.revision or 0,
        "labeled_by": sample.labeled_by,
        "labeled_at": sample.labeled_at,
        "created_by": sample.created_by,
        "created_at": sample.created_at,
        "object_modified_at": sample.object_modified_at,
        "missing_since": sample.missing_since,
        "changed_at": sample.changed_at,
    }


def _status(sample: Sample | ListedSample) -> str:
    if sample.missing_since is not None:
        return Status.MISSING.value
    return (Status.LABELED if sample.annotation_count else Status.UNLABELED).value


def _etag(sample: Sample) -> str:
    """Of all that a synchronisation or a save may change."""
    state = (sample.object_key, sample.object_etag, sample.sha256, sample.missing_since, sample.changed_at)
    return f'"sample-{sample.revision}-{sha256(repr(state).encode()).hexdigest()[:16]}"'


def _scope(dataset_id: UUID, wanted: SampleFilter, sort: Sort) -> str:
    return f"samples {dataset_id} {sha256(f'{wanted} {sort}'.encode()).hexdigest()[:32]}"


def _place(sort: Sort, value: Any, row_id: Any) -> Place:
    if sort.key is SortKey.CREATED_AT:
        value = datetime.fromisoformat(value)
    return Place(value, UUID(row_id))


def _place_values(place: Place | None) -> tuple[Any, str] | None:
    if place is None:
        return None
    value = place.value.isoformat() if isinstance(place.value, datetime) else place.value
    return value, str(place.id)


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
    # A part may have no name at all.
    unknown = sorted({name or "" for name in (*request.form, *request.files)} - {"files"})
    if unknown:
        raise InvalidInputError.at(
            f"/{escaped(unknown[0])}", "unknown_field", "Send only fields named `files`."
        )
    return [
        uploads.UploadedFile(item.filename or "image", item.stream.read())
        for item in request.files.getlist("files")
    ]
