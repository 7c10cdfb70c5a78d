"""Strong ETags and the two preconditions."""

from flask import request

from fourpoint_core.errors import StaleDocumentError


def etag_of(kind: str, number: int) -> str:
    """The quoted entity tag of a version of something, e.g. `"document-7"`."""
    return f'"{kind}-{number}"'


def check_if_match(current: str) -> None:
    """Stop a change that was made against an older state.

    Raises StaleDocumentError when the request has an `If-Match` that does not name `current`.
    """
    wanted = request.if_match
    if wanted and not wanted.contains(current.strip('"')) and not wanted.star_tag:
        raise StaleDocumentError(
            f"The resource has changed and is now {current}; read it again and repeat the change.", current
        )
