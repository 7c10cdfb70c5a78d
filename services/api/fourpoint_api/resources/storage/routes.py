"""Routes about the object store."""

from typing import Any

from flask import request
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.storage import operations, schemas
from fourpoint_api.web import idempotency, strict_json
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import public, signed_in
from fourpoint_api.web.documented import problems
from fourpoint_api.web.problems import BodyTooLargeError, MalformedJsonError, UnsupportedMediaTypeError
from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import InvalidInputError, TokenInvalidError
from fourpoint_core.storage.probing import Trial

blueprint = Blueprint("storage", __name__, url_prefix="/v1/storage", description="The object store")
_PERMISSIONS = ("list", "read", "write", "delete", "multipart")
_TEST = {
    "path": "photos/",
    "as_input": True,
    "as_output": True,
    "permissions": [{"permission": name, "granted": True, "detail": None} for name in _PERMISSIONS],
}
_MEDIA_TYPES = {"application/json", "text/plain", ""}
_EVENT = {"Records": [{"s3": {"bucket": {"name": "bucket"}, "object": {"key": "photos/cat.png"}}}]}


@blueprint.route("/test")
class StorageTests(MethodView):
    """Trying a path before it is used."""

    @signed_in(Scope.MANAGE)
    @blueprint.doc(operationId="testStorage")
    @blueprint.arguments(schemas.StorageTestRequestSchema, example={"path": "photos/"})
    @blueprint.response(200, schemas.StorageTestSchema, example=_TEST)
    @problems(blueprint, InvalidInputError)
    def post(self, body: dict[str, Any]) -> Any:
        """Try to list, read, write and delete below a path, and name the permission that is missing.

        What is written for that, 8 MB at most, is removed again.
        """
        test = operations.test_storage(clients().store, body["path"])
        return {
            "path": test.prefix,
            "as_input": test.as_input,
            "as_output": test.as_output,
            "permissions": [_render(trial) for trial in test.trials],
        }


@blueprint.route("/events")
class StorageEvents(MethodView):
    """What the bucket tells of itself."""

    @public
    @idempotency.begins_itself
    @blueprint.doc(
        operationId="receiveStorageEvents",
        security=[],
        requestBody={
            "required": True,
            "content": {"application/json": {"schema": schemas.StorageEventSchema, "example": _EVENT}},
        },
        parameters=[
            {
                "in": "query",
                "name": "token",
                "required": False,
                "schema": {"type": "string"},
                "description": "The token, where the sender cannot set `Authorization`",
            }
        ],
    )
    @blueprint.response(202, schemas.StorageEventsAnswerSchema, example={"datasets": 1})
    @problems(
        blueprint,
        TokenInvalidError,
        InvalidInputError,
        MalformedJsonError,
        BodyTooLargeError,
        UnsupportedMediaTypeError,
    )
    def post(self) -> Any:
        """Be told that objects came, changed or went: the datasets that they lie in are synchronised soon.

        For MinIO, OBS and other S3 services, which sign in with a token of their own, `Authorization: Bearer`
        with what `FOURPOINT_STORAGE_EVENTS_TOKEN` says. Many events at once make one synchronisation.
        """
        held = clients()
        operations.check_token(
            held.settings.storage_events_token,
            request.headers.get("Authorization"),
            request.args.get("token"),
        )
        # Notification services do not always say that it is JSON.
        if request.mimetype not in _MEDIA_TYPES:
            raise UnsupportedMediaTypeError("Send the event as application/json or text/plain.")
        event = operations.event_in(strict_json.loads(request.get_data()))
        # There is one token, and what several buckets send under it may have the same key.
        before = idempotency.begin_for(*event.buckets)
        if before is not None:
            return before
        return idempotency.earlier() or {"datasets": operations.hear(held.sessions, event, held.store.bucket)}


def _render(trial: Trial) -> dict[str, Any]:
    granted = None if trial.untried else trial.is_granted
    return {"permission": trial.permission, "granted": granted, "detail": trial.refusal}
