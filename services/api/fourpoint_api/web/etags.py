"""Strong ETags and the two preconditions."""

from flask import Response, request

from fourpoint_core.errors import StaleDocumentError


def etag_of(kind: str, number: int) -> str:
    """The quoted entity tag of a version of something, e.g. `"document-7"`."""
    return f'"{kind}-{number}"'


def is_known(current: str) -> bool:
    """Whether the client says, by `If-None-Match`, that it has this state already."""
    # Weakly compared: proxies that compress weaken the tags on their way.
    return request.if_none_match.contains_weak(current.strip('"'))


def not_modified(current: str) -> Response:
    """304: what the client has is what there is."""
    response = Response(status=304)
    response.headers["ETag"] = current
    return response


def check_if_match(current: str) -> None:
    """Stop a change that was made against an older state.

    A tag that goes on behind `current`, as `"dataset-7-10-4"` does, also names what was shown beside the state.
    Raises StaleDocumentError when the request has an `If-Match` that does not name `current`.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return
    wanted = current.strip('"')
    # A tag of no characters is read as None.
    tags = filter(None, request.if_match.as_set())
    if not any(tag == wanted or tag.startswith(f"{wanted}-") for tag in tags):
        raise StaleDocumentError(
            f"The resource has changed and is now {current}; read it again and repeat the change.", current
        )
