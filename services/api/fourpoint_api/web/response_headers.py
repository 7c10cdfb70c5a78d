"""The headers of answers, said in the contract: by rule where a rule covers them, else by `sends` on the view.

The client of the API tests holds every answer against this, in both directions.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from flask_smorest import Blueprint

View = TypeVar("View", bound=Callable[..., Any])
_SENDS = "x-sends"
PROBLEM = "application/problem+json"
_METHODS = {"get", "post", "put", "patch", "delete"}


def _header(description: str, example: str, *, always: bool = True) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"description": description, "required": always, "schema": schema, "example": example}


HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": _header(
        "The request in all logs: yours, where you sent one", "01930000-0000-7000-8000-000000000000"
    ),
    "RateLimit": _header(
        "Of each quota the requests left (`r`) and the seconds (`t`) until all are back; missing without one",
        '"token";r=29999;t=1, "address";r=119999;t=1',
        always=False,
    ),
    "RateLimit-Policy": _header(
        "Each quota: requests (`q`) in so many seconds (`w`)",
        '"token";q=30000;w=60, "address";q=120000;w=60',
        always=False,
    ),
    "ETag": _header("Names this state, for `If-Match` and `If-None-Match`", '"document-7"'),
    "Location": _header(
        "Where the new resource, or the job, is read", "/v1/jobs/01930000-0000-7000-8000-0000000000f1"
    ),
    "Link": _header(
        'The next page, with `rel="next"`; missing on the last one',
        '</v1/jobs?cursor=W10>; rel="next"',
        always=False,
    ),
    "Retry-After": _header(
        "Seconds after which to repeat the request; of 409 with `request_in_progress` only", "2", always=False
    ),
    "WWW-Authenticate": _header(
        "How to sign in (RFC 6750); of 403 with `insufficient_scope` only",
        'Bearer realm="fourpoint"',
        always=False,
    ),
    "Preference-Applied": _header("`wait=N`: the answer was held", "wait=30", always=False),
    "Idempotency-Replayed": _header(
        "`true`: this is the answer to an earlier request of the same key", "true", always=False
    ),
    "Accept-Ranges": _header("That a part may be asked for, with `Range`", "bytes"),
    "Cache-Control": _header("How long it may be kept", "private, max-age=0, must-revalidate"),
    "Content-Range": _header("Which bytes these are, of how many", "bytes 0-1023/240512"),
}
_LIMITS = ("RateLimit", "RateLimit-Policy")
# Accepted, and followed by no job that could be looked at.
_STARTS_NO_JOB = {"receiveStorageEvents"}
# By what an error is about: the code that brings the header.
_OF_CODES = {
    "unauthenticated": "WWW-Authenticate",
    "token_invalid": "WWW-Authenticate",
    "insufficient_scope": "WWW-Authenticate",
    "request_in_progress": "Retry-After",
    "stale_document": "ETag",
    "range_not_satisfiable": "Content-Range",
}


def sends(blueprint: Blueprint, *names: str) -> Callable[[View], View]:
    """Document headers of a view's own good answers. That of 202 leads to the job, and goes without saying."""
    return blueprint.doc(**{_SENDS: dict.fromkeys(names, True)})  # type: ignore[no-any-return]


def document(contract: dict[str, Any]) -> None:
    """Write the headers into every response of an OpenAPI document."""
    components = contract.setdefault("components", {})
    components["headers"] = HEADERS
    for response in components.get("responses", {}).values():
        of_code = ["Retry-After"] if "too_many_requests" in str(response) else []
        response["headers"] = _references(["X-Request-ID", *_LIMITS, *of_code])
    for path in contract["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                own = operation.pop(_SENDS, {})
                for status, response in operation["responses"].items():
                    if "$ref" not in response:
                        names = _names(method, operation, str(status), response, own)
                        response["headers"] = _references(names)


def _names(
    method: str, operation: dict[str, Any], status: str, response: dict[str, Any], own: dict[str, bool]
) -> Iterator[str]:
    """Names of the headers of one response."""
    yield "X-Request-ID"
    if "429" in operation["responses"]:
        yield from _LIMITS
    if status in {"200", "201", "204", "206", "304"}:
        yield from _of_success(operation, status, response, own)
    if status == "202" and operation["operationId"] not in _STARTS_NO_JOB:
        yield "Location"
    if status in {"200", "202"} and _takes(operation, "Prefer"):
        yield "Preference-Applied"
    if method == "post" and status[0] in "245" and _takes(operation, "Idempotency-Key"):
        yield "Idempotency-Replayed"
    for media_type, content in response.get("content", {}).items():
        if media_type == PROBLEM:
            yield from ["Retry-After"] if status in {"429", "503"} else []
            yield from (_OF_CODES[code] for code in content["examples"] if code in _OF_CODES)


def _of_success(
    operation: dict[str, Any], status: str, response: dict[str, Any], own: dict[str, bool]
) -> Iterator[str]:
    yield from own
    if "304" in operation["responses"]:
        yield "ETag"
    if status == "206":
        yield "Content-Range"
    if any("next_cursor" in content.get("example", ()) for content in response.get("content", {}).values()):
        yield "Link"


def _takes(operation: dict[str, Any], header: str) -> bool:
    return any(one.get("name") == header for one in operation.get("parameters", ()))


def _references(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
