"""The public contract, written by the code; and the framework's slips, mended here and nowhere else.

flask-smorest documents error responses as `application/json`, and apispec writes marshmallow's exclusive
ranges as inclusive ones. (The third slip, 422 for a body that is not JSON, is mended in `arguments`.)
"""

from typing import Any

import marshmallow as ma
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, Response, json
from flask_smorest import Api
from flask_swagger_ui import get_swaggerui_blueprint

from fourpoint_api.web import response_headers
from fourpoint_api.web.auth import public
from fourpoint_api.web.documented import problem_responses
from fourpoint_api.web.fields import Box, Points, Vertex, Vertices
from fourpoint_api.web.problems import MEDIA_TYPE, TooManyRequestsError
from fourpoint_api.web.rate_limits import UNLIMITED
from fourpoint_api.web.schemas import ProblemSchema
from fourpoint_core.domain.prompts import ROLES
from fourpoint_core.errors import (
    AnswerLostError,
    FourpointError,
    IdempotencyKeyReusedError,
    InsufficientRoleError,
    InsufficientScopeError,
    InvalidInputError,
    QueueFullError,
    RequestInProgressError,
    TokenInvalidError,
    UnauthenticatedError,
)

JSON = "application/json"
# What every operation may answer, unless it is open to everybody.
REFUSALS = (UnauthenticatedError, TokenInvalidError, InsufficientScopeError, InsufficientRoleError)
# What a key may be answered with, whatever the request is about.
KEY_REFUSALS = (RequestInProgressError, AnswerLostError, IdempotencyKeyReusedError, InvalidInputError)
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Names this request: sent again under the same key, it is done once and answered the same.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "7f1cb4c2-53f0-4f6f-8a52-1f0c1f3b7a11",
}
_VERTEX = {
    "type": "array",
    "prefixItems": [{"type": "number"}, {"type": "number"}],
    "minItems": 2,
    "maxItems": 2,
}


class ContractApi(Api):
    """flask-smorest's API with our problem schema; our handlers answer errors."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Left to `problems.install`."""


def build_api(app: Flask) -> ContractApi:
    """The API that blueprints are registered with."""
    plugin = MarshmallowPlugin()
    app.config.update(
        API_TITLE="Fourpoint",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {
                "description": "Four clicks in, an outline out: the backend of an image-segmentation "
                "labeling tool. Coordinates are pixels of the upright image, continuous, origin top-left."
            },
        },
    )
    api = ContractApi(app, spec_kwargs={"marshmallow_plugin": plugin})
    converter = plugin.converter
    assert converter is not None  # noqa: S101 - the plugin has been attached to the spec
    converter.add_attribute_function(_geometry)  # type: ignore[no-untyped-call]
    converter.add_attribute_function(_exclusive_range)  # type: ignore[no-untyped-call]
    return api


def contract(api: ContractApi) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    document: dict[str, Any] = api.spec.to_dict()
    _document_access(document)
    _document_retries(document)
    _document_limits(document)
    for response in _error_responses(document):
        content = response.get("content", {})
        if JSON in content:
            content[MEDIA_TYPE] = content.pop(JSON)
    response_headers.document(document)
    return document


def serve(app: Flask, api: ContractApi) -> None:
    """`/openapi.json`, and `/docs` with assets from the package: no page here loads from elsewhere."""
    text = json.dumps(contract(api))

    @app.get("/openapi.json")
    @public
    def openapi_document() -> Response:
        return Response(text, mimetype=JSON)

    docs = get_swaggerui_blueprint(
        "/docs",
        "/openapi.json",
        # The address of the redirection is not to be made from the request, or the page would differ by host.
        config={
            "app_name": "Fourpoint",
            "validatorUrl": None,
            "oauth2RedirectUrl": "/docs/oauth2-redirect.html",
        },
    )
    app.register_blueprint(docs)
    public(app.view_functions[f"{docs.name}.show"])


def _document_access(document: dict[str, Any]) -> None:
    """Say how to sign in, and what is answered to who did not, or may not."""
    document.setdefault("components", {})["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token of this service, or an access token of the identity provider.",
        }
    }
    document["security"] = [{"token": []}]
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and operation.get("security") != []:
                refusals = problem_responses(*REFUSALS)
                operation["responses"] = dict(sorted({**refusals, **operation["responses"]}.items()))


def _document_retries(document: dict[str, Any]) -> None:
    """Every POST heeds `Idempotency-Key`."""
    for path in document["paths"].values():
        operation = path.get("post")
        if operation is not None:
            operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
            _add_problems(operation, *KEY_REFUSALS)


def _document_limits(document: dict[str, Any]) -> None:
    """Whoever asks too often is refused; and a job, where as many wait as may."""
    document["components"]["responses"]["TOO_MANY_REQUESTS"] = problem_responses(TooManyRequestsError)["429"]
    refusal = {"429": {"$ref": "#/components/responses/TOO_MANY_REQUESTS"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if isinstance(operation, dict) and path not in UNLIMITED:
                operation["responses"].update(refusal)
                _add_problems(operation, *([QueueFullError] if "202" in operation["responses"] else []))


def _add_problems(operation: dict[str, Any], *kinds: type[FourpointError]) -> None:
    for status, response in problem_responses(*kinds).items():
        known = operation["responses"].setdefault(status, response)
        if "content" in known:
            content = known["content"].get(MEDIA_TYPE) or known["content"][JSON]
            content["examples"].update(response["content"][MEDIA_TYPE]["examples"])
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _error_responses(document: dict[str, Any]) -> list[dict[str, Any]]:
    shared = document.get("components", {}).get("responses", {})
    own = [
        response
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        for status, response in operation.get("responses", {}).items()
        if status == "default" or (status[0] in "45" and "Problem" in json.dumps(response))
    ]
    return [*shared.values(), *own]


def _geometry(self: Any, field: ma.fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    if isinstance(field, Vertex):
        return dict(_VERTEX)
    if isinstance(field, Vertices):
        return {"type": "array", "items": _VERTEX, "minItems": field.minimum, "maxItems": field.maximum}
    if isinstance(field, Box):
        return {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
    if isinstance(field, Points):
        named = {
            "type": "object",
            "properties": dict.fromkeys(ROLES, _VERTEX),
            "required": list(ROLES),
            "additionalProperties": False,
        }
        in_any_order = {"type": "array", "items": _VERTEX, "minItems": 4, "maxItems": 4}
        return {"oneOf": [named, in_any_order, {"type": "null"}]}
    return {}


def _exclusive_range(self: Any, field: ma.fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    for rule in field.validators:
        if isinstance(rule, ma.validate.Range):
            if not rule.min_inclusive and "minimum" in ret:
                ret["exclusiveMinimum"] = ret.pop("minimum")
            if not rule.max_inclusive and "maximum" in ret:
                ret["exclusiveMaximum"] = ret.pop("maximum")
    return {}
