"""Say in the contract which problems an operation answers with."""

from collections.abc import Callable
from typing import Any, TypeVar

from flask_smorest import Blueprint

from fourpoint_api.web.problems import MEDIA_TYPE, STATUS
from fourpoint_core.errors import DatabaseUnavailableError, FourpointError

View = TypeVar("View", bound=Callable[..., Any])


def problems(blueprint: Blueprint, *kinds: type[FourpointError]) -> Callable[[View], View]:
    """Document the error responses of a view; that the database may be away goes without saying."""
    return blueprint.doc(responses=problem_responses(*kinds, DatabaseUnavailableError))  # type: ignore[no-any-return]


def not_modified(blueprint: Blueprint) -> Callable[[View], View]:
    """Document that a view answers 304 to a client that has the current state."""
    response = {"description": "What you have, by `If-None-Match`, is what there is"}
    return blueprint.doc(responses={"304": response})  # type: ignore[no-any-return]


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
