"""Pages of other origins: which may call, what they may send, and what they may read of an answer."""

from flask import Flask
from flask_cors import CORS

from fourpoint_api.web.response_headers import HEADERS

# What the contract knows of request headers; simple ones need no leave.
_ALLOWED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Prefer",
    "Range",
    "X-Request-ID",
    "traceparent",
)
# As long as browsers remember it at most: a page asks once, and not before every request.
_REMEMBER_SECONDS = 7200


def install(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of these origins call the API; nobody's without any.

    Cookies are never involved: who has no token gets nothing, from whatever page.
    """
    if origins:
        CORS(
            app,
            origins=list(origins),
            methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=list(_ALLOWED),
            expose_headers=sorted(HEADERS),
            max_age=_REMEMBER_SECONDS,
        )
