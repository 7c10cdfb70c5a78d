"""Routes of direct uploads."""

from typing import Any, cast
from uuid import UUID

from flask import Response, request, url_for
from flask.views import MethodView
from itsdangerous import BadData, URLSafeTimedSerializer

from fourpoint_api.clients import clients
from fourpoint_api.resources.samples import upload_rendering
from fourpoint_api.resources.samples.routes import render as render_sample
from fourpoint_api.resources.samples.schemas import UploadSchema
from fourpoint_api.resources.uploads import operations, schemas
from fourpoint_api.web import examples, idempotency
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs, public
from fourpoint_api.web.documented import file_content, problems
from fourpoint_api.web.hanging_up import require_client
from fourpoint_api.web.problems import BadRequestError, BodyTooLargeError, UnsupportedMediaTypeError
from fourpoint_api.web.response_headers import sends
from fourpoint_core.domain.access import Role
from fourpoint_core.errors import (
    BatchTooLargeError,
    ConflictError,
    DamagedImageError,
    FileTooLargeError,
    InvalidInputError,
    NotFoundError,
    ObjectMissingError,
    SignatureInvalidError,
    StorageUnavailableError,
    TooManyPixelsError,
    UnsupportedImageError,
    UploadRefusedError,
)
from fourpoint_core.storage import SignedPut
from fourpoint_core.store.models import DirectUpload

blueprint = Blueprint("uploads", __name__, url_prefix="/v1", description="Uploads past the API")
_FILE = {"name": "cat.png", "size_bytes": 240512, "content_type": "image/png"}
_ID = "01930000-0000-7000-8000-000000000a91"
_UPLOAD = {
    "id": _ID,
    "dataset_id": examples.DATASET_ID,
    "expires_at": "2026-01-01T13:00:00+00:00",
    "registered": False,
    "files": [
        {
            **_FILE,
            "method": "PUT",
            "url": f"https://objects.example.org/bucket/.fourpoint-uploads/{_ID}/0?X-Amz-Signature=4f",
            "headers": {"Content-Type": "image/png"},
        }
    ],
}


@blueprint.route("/datasets/<uuid:dataset_id>/uploads")
class Uploads(MethodView):
    """Uploads past the API."""

    @needs(Role.OWNER)
    @sends(blueprint, "Location")
    @blueprint.doc(operationId="createUpload")
    @blueprint.arguments(schemas.NewUploadSchema, example={"files": [_FILE]})
    @blueprint.response(201, schemas.DirectUploadSchema, example=_UPLOAD)
    @problems(blueprint, NotFoundError, FileTooLargeError, BatchTooLargeError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Create slots for large files, or for those to be imported: signed URLs, good for an hour.

        Write each file to its URL, then register the upload. What is not registered is removed.
        """
        earlier = idempotency.earlier()
        if earlier is not None:
            upload = operations.read(clients().sessions, dataset_id, UUID(earlier["upload_id"]))
        else:
            files = [
                operations.SlotRequest(x["name"], x["size_bytes"], x["content_type"]) for x in body["files"]
            ]
            upload = operations.create(
                clients().sessions, clients().settings, dataset_id, files, current_user_id()
            )
        where = url_for("uploads.OneUpload", dataset_id=dataset_id, upload_id=upload.id)
        return _render(upload), 201, {"Location": where}


@blueprint.route("/datasets/<uuid:dataset_id>/uploads/<uuid:upload_id>")
class OneUpload(MethodView):
    """One upload."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="getUpload")
    @blueprint.response(200, schemas.DirectUploadSchema, example=_UPLOAD)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID, upload_id: UUID) -> Any:
        """Read an upload, with URLs that are signed anew."""
        return _render(operations.read(clients().sessions, dataset_id, upload_id))


@blueprint.route("/datasets/<uuid:dataset_id>/uploads/<uuid:upload_id>/register")
class Registration(MethodView):
    """Making images of what was written."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="registerUpload")
    @blueprint.response(201, UploadSchema, example={"items": [upload_rendering.EXAMPLE]})
    @problems(
        blueprint,
        NotFoundError,
        ObjectMissingError,
        FileTooLargeError,
        UnsupportedImageError,
        DamagedImageError,
        TooManyPixelsError,
        UploadRefusedError,
        InvalidInputError,
        ConflictError,
        StorageUnavailableError,
    )
    def post(self, dataset_id: UUID, upload_id: UUID) -> Any:
        """Make images of the files of an upload, all or none, by the rules of every upload.

        Sent again, it answers with the same images.
        """
        held = clients()
        stored = operations.register(
            held.sessions,
            held.store,
            held.decoder,
            held.settings,
            dataset_id,
            upload_id,
            current_user_id(),
            require_client,
        )
        names = [file["name"] for file in operations.read(held.sessions, dataset_id, upload_id).files]
        items = [
            {**render_sample(item.sample), **upload_rendering.about(item, name)}
            for item, name in zip(stored, names, strict=False)
        ]
        return {"items": items}, 201


@blueprint.route("/uploads/<string:token>")
class Slot(MethodView):
    """Where a file goes when objects are kept in a directory."""

    @public
    @blueprint.doc(
        operationId="writeFile",
        security=[],
        requestBody={
            "required": True,
            "content": file_content(*operations.FILE_TYPES),
        },
    )
    @blueprint.response(204)
    @problems(
        blueprint,
        BadRequestError,
        SignatureInvalidError,
        NotFoundError,
        ConflictError,
        BodyTooLargeError,
        UnsupportedMediaTypeError,
        InvalidInputError,
        StorageUnavailableError,
    )
    def put(self, token: str) -> Response:
        """Write a file into its slot; the URL is from `createUpload`, and needs no other token."""
        dataset_id, upload_id, index = _opened(token)
        upload = operations.read(clients().sessions, dataset_id, upload_id)
        file = upload.files[index]
        if request.mimetype != file["content_type"]:
            raise UnsupportedMediaTypeError(f"Send the file with Content-Type: {file['content_type']}.")
        # A byte more: a server that ends bodies itself, as gunicorn does, is asked for more at their very end.
        request.max_content_length = file["size_bytes"] + 1
        if (request.content_length or 0) > file["size_bytes"]:
            raise BodyTooLargeError(f"The file was announced with {file['size_bytes']:,} bytes.")
        if request.content_length != file["size_bytes"]:
            raise InvalidInputError(
                f"Send the {file['size_bytes']:,} bytes that were announced, with Content-Length."
            )
        # One more: where the server ends the body itself, werkzeug takes one of exactly the limit for larger.
        request.max_content_length = file["size_bytes"] + 1
        operations.receive(clients().store, upload, index, cast(Any, request.stream))
        return Response(status=204)


def _render(upload: DirectUpload) -> dict[str, Any]:
    slots = operations.signed(clients().store, upload)
    return {
        "id": upload.id,
        "dataset_id": upload.dataset_id,
        "expires_at": upload.expires_at,
        "registered": upload.sample_ids is not None,
        "files": [
            {**file, "method": "PUT", **_where(upload, index, slot)}
            for index, (file, slot) in enumerate(zip(upload.files, slots, strict=True))
        ],
    }


def _where(upload: DirectUpload, index: int, slot: SignedPut | None) -> dict[str, Any]:
    if slot is not None:
        return {"url": slot.url, "headers": slot.headers}
    token = _serializer().dumps([str(upload.dataset_id), str(upload.id), index])
    return {
        "url": url_for("uploads.Slot", token=token),
        "headers": {"Content-Type": upload.files[index]["content_type"]},
    }


def _opened(token: str) -> tuple[UUID, UUID, int]:
    try:
        dataset_id, upload_id, index = _serializer().loads(token, max_age=operations.SECONDS)
        return UUID(dataset_id), UUID(upload_id), index
    except (BadData, ValueError) as error:
        raise SignatureInvalidError("This address was changed or has run out; create a new upload.") from error


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(clients().settings.secret_key, salt="upload slot")
