"""What CVAT calls in place of Nuclio's dashboard, at `https://fourpoint/integrations/cvat`."""

from typing import Any

import marshmallow as ma
from flask import Response, request
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.cvat import operations, schemas
from fourpoint_api.resources.pictures import asking
from fourpoint_api.resources.pictures import operations as pictures
from fourpoint_api.web import examples, plain_json
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import signed_in
from fourpoint_api.web.documented import header, problems
from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import (
    NotFoundError,
)
from fourpoint_core.jobs.payloads.pictures import Form

_ENVELOPE_BYTES = 64 * 1024
_NAME = "x-nuclio-function-name"
_FUNCTION = {
    "type": "object",
    "properties": {"metadata": {"type": "object"}, "spec": {"type": "object"}, "status": {"type": "object"}},
    "required": ["metadata", "spec", "status"],
}
_POINT = {"type": "array", "items": {"type": "number"}}
_OUTLINE = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"mask": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}},
            "required": ["mask"],
        },
        {"type": "array", "items": _POINT},
    ]
}
_LISTED = {name: operations.described(one, 443) for name, one in operations.FUNCTIONS.items()}
blueprint = Blueprint(
    "cvat", __name__, url_prefix="/integrations/cvat/api", description="Interactor functions for CVAT"
)


# Before anybody reads the body, as a request with an Idempotency-Key has it done.
@blueprint.url_value_preprocessor
def _let_frames_in(*_: object) -> None:
    # A third longer than the image.
    request.max_content_length = clients().settings.max_picture_bytes * 4 // 3 + _ENVELOPE_BYTES


@blueprint.route("/functions")
class Functions(MethodView):
    """The functions."""

    @signed_in(Scope.LABEL)
    @blueprint.doc(operationId="listCvatFunctions")
    @blueprint.response(200, {"type": "object", "additionalProperties": _FUNCTION}, example=_LISTED)
    @problems(blueprint)
    def get(self) -> Any:
        """List the functions, as Nuclio does: one answers with a mask, one with a polygon."""
        return plain_json.answer({name: _described(one) for name, one in operations.FUNCTIONS.items()})


@blueprint.route("/functions/<string:name>")
class Function(MethodView):
    """One function."""

    @signed_in(Scope.LABEL)
    @blueprint.doc(operationId="getCvatFunction")
    @blueprint.response(200, _FUNCTION, example=next(iter(_LISTED.values())))
    @problems(blueprint, NotFoundError)
    def get(self, name: str) -> Any:
        """Read a function."""
        return plain_json.answer(_described(operations.function_named(name)))


@blueprint.route("/function_invocations")
class Invocations(MethodView):
    """Outlines for CVAT."""

    @signed_in(Scope.LABEL)
    @blueprint.doc(operationId="invokeCvatFunction")
    @header(_NAME, "The function: `fourpoint-mask` or `fourpoint-polygon`.", "fourpoint-mask")
    @blueprint.arguments(schemas.CvatInvocationSchema, unknown=ma.EXCLUDE, example=examples.CVAT_INVOCATION)
    @blueprint.response(200, _OUTLINE, example=[[320, 48], [512, 240], [307, 432], [128, 264]])
    @problems(blueprint, NotFoundError, *asking.PROBLEMS)
    def post(self, body: dict[str, Any]) -> Any:
        """Outline the object between four clicks in any order, or in a box, on the frame that is sent along."""
        function = operations.function_named(request.headers.get(_NAME))
        question = operations.question(function, body["pos_points"], body["neg_points"], body["obj_bbox"])
        held = clients()
        picture = pictures.keep(
            held.store, held.decoder, held.settings, operations.frame(body["image"]), "/image"
        )
        drawn = asking.ask(picture, question)
        if isinstance(drawn, Response):
            return drawn
        if function.form is Form.RING:
            return Response(plain_json.encode(drawn.outline), mimetype="application/json")
        return Response(operations.mask_json(drawn.outline, picture.width), mimetype="application/json")


def _described(function: operations.Function) -> dict[str, Any]:
    secure = request.scheme == "https"
    _, _, port = request.host.rpartition(":")
    return operations.described(function, int(port) if port.isdigit() else (443 if secure else 80))
