"""Say in the contract which problems an operation answers with."""

from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from math import inf
from typing import Any, TypeVar, cast

from flask_smorest import Blueprint

from fourpoint_api.web.preferences import preferred_wait
from fourpoint_api.web.problems import MEDIA_TYPE, STATUS, RangeNotSatisfiableError
from fourpoint_core.errors import DatabaseUnavailableError, FourpointError, StaleDocumentError

View = TypeVar("View", bound=Callable[..., Any])
_CAUSED_BY: dict[type[FourpointError], tuple[str, str, str]] = {
    StaleDocumentError: ("If-Match", "The `ETag` that you read: only change that state.", '"document-7"'),
    RangeNotSatisfiableError: ("Range", "One range of bytes.", "bytes=0-1023"),
}


def problems(blueprint: Blueprint, *kinds: type[FourpointError]) -> Callable[[View], View]:
    """Document the error responses of a view, and the header without which one of them does not happen.

    That the database may be away goes without saying.
    """
    responses = problem_responses(*kinds, DatabaseUnavailableError)

    def decorate(view: View) -> View:
        for kind in kinds:
            if kind in _CAUSED_BY:
                view = header(*_CAUSED_BY[kind])(view)
        return blueprint.doc(responses=responses)(view)  # type: ignore[no-any-return]

    return decorate


def not_modified(blueprint: Blueprint) -> Callable[[View], View]:
    """Document that a view answers 304 to a client that has the current state."""
    response = {"description": "What you have is what there is"}

    def decorate(view: View) -> View:
        known = header("If-None-Match", "The `ETag` that you have.", '"document-7"')(view)
        return blueprint.doc(responses={"304": response})(known)  # type: ignore[no-any-return]

    return decorate


def binary(media_type: str) -> dict[str, Any]:
    """The schema of bytes. `contentMediaType` is how OpenAPI 3.1 says it, `format` how generators read it."""
    return {"type": "string", "format": "binary", "contentMediaType": media_type}


def file_content(*media_types: str) -> dict[str, Any]:
    """The content of a body that is a file of one of these types."""
    return {media_type: {"schema": binary(media_type)} for media_type in media_types}


def header(name: str, description: str, example: str) -> Callable[[View], View]:
    """Document a request header that a view heeds and can do without."""
    parameter = {
        "in": "header",
        "name": name,
        "required": False,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }

    def decorate(view: View) -> View:
        # Where the framework keeps what `arguments` documents; it has no other way to add to that.
        info = deepcopy(getattr(view, "_apidoc", {}))
        info.setdefault("arguments", {}).setdefault("parameters", []).append(parameter)
        view._apidoc = info  # type: ignore[attr-defined]
        return view

    return decorate


def waits(view: View) -> View:
    """Document that a view waits for a job where the client would like it to.

    A preference that is none is refused before anything is done.
    """

    @wraps(view)
    def checked(*arguments: Any, **named: Any) -> Any:
        preferred_wait(inf)
        return view(*arguments, **named)

    text = "`wait=N`: hold the answer until the job ends, at most N seconds."
    return cast(View, header("Prefer", text, "wait=10")(checked))


def problem_responses(*kinds: type[FourpointError]) -> dict[str, Any]:
    """OpenAPI responses by status, with an example for each code."""
    responses: dict[str, Any] = {}
    for kind in kinds:
        status = STATUS[kind]
        response = responses.setdefault(
            str(status),
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        response["content"][MEDIA_TYPE]["examples"][kind.code] = {"value": _example(kind, status)}
    return responses


def _example(kind: type[FourpointError], status: int) -> dict[str, Any]:
    return {
        "type": f"urn:fourpoint:problem:{kind.code}",
        "title": kind.title,
        "status": status,
        "detail": (kind.__doc__ or kind.title).splitlines()[0],
        "code": kind.code,
        "errors": [],
        "request_id": "01930000-0000-7000-8000-000000000000",
    }
