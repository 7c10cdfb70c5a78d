"""What may be in a request's body at all, whatever it is for: refused before a byte of it is read.

How long it may be is up to each address (`max_content_length`).
"""

import socket
import time
from functools import partial
from typing import Any

from flask import Flask, Response, request
from gunicorn.http.errors import ParseException
from werkzeug.wsgi import LimitedStream

from fourpoint_api.web.problems import (
    BadRequestError,
    RequestTooSlowError,
    TooBusyError,
    UnsupportedMediaTypeError,
    answer,
)
from fourpoint_api.web.slow_clients import NoRoom, TooSlow

# What is left of a refused body is read and thrown away, so far and so long: a client that is still sending
# when the connection closes is told of the closed connection, and never sees the answer.
DISCARDED_BYTES = 64 * 1024 * 1024
DISCARDING_SECONDS = 3.0
_CHUNK_BYTES = 256 * 1024


def install(app: Flask) -> None:
    """Refuse bodies that are packed, and those that are cut wrongly; let who is refused hear of it."""

    def refuse_packed() -> None:
        # Unpacked, a few kilobytes may be gigabytes; and nobody here unpacks.
        if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
            raise UnsupportedMediaTypeError("Send the body as it is, without Content-Encoding.")

    def require_all() -> None:
        # Under gunicorn nobody else counts: `{"name": "a"}` of a body that breaks off behind it would be done.
        length, environ = request.content_length, request.environ
        if length is not None and environ.get("wsgi.input_terminated"):
            environ["wsgi.input"] = _WholeBody(environ["wsgi.input"], length)

    def hear_out(response: Response) -> Response:
        if response.status_code >= 400 and (request.content_length or "chunked" in _coding()):
            response.call_on_close(partial(_discard, request.environ))
        return response

    app.before_request(refuse_packed)
    app.before_request(require_all)
    app.after_request(hear_out)
    app.register_error_handler(
        TooSlow, lambda error: answer(RequestTooSlowError("Send it over a line that is fast enough."))
    )
    app.register_error_handler(
        NoRoom, lambda error: answer(TooBusyError("Many clients send slowly; send the request again."))
    )
    # Of a body the server learns only while it is read that it is cut off, or in pieces that are none.
    app.register_error_handler(
        ParseException, lambda error: answer(BadRequestError(f"The body ends in no right way: {error}."))
    )


class _WholeBody(LimitedStream):
    """A body that has the length that was announced, or is none. Raises ParseException as gunicorn does."""

    def on_disconnect(self, error: Exception | None = None) -> None:
        """See LimitedStream."""
        raise error or ParseException("it is shorter than Content-Length says")


def _coding() -> str:
    return request.headers.get("Transfer-Encoding", "").lower()


def _discard(environ: dict[str, Any]) -> None:
    """Read what is left of the body, once the answer is on its way."""
    connection, body = environ.get("gunicorn.socket"), environ["wsgi.input"]
    if not isinstance(connection, socket.socket):
        return
    patience = connection.gettimeout()
    end = time.monotonic() + DISCARDING_SECONDS
    left = DISCARDED_BYTES
    try:
        while left > 0 and (rest := end - time.monotonic()) > 0:
            connection.settimeout(rest)
            read = len(body.read(min(_CHUNK_BYTES, left)))
            if not read:
                break
            left -= read
        connection.settimeout(patience)
    except (OSError, ParseException):
        # Gone, too slow, or sending what is no body: there is nobody left to be told anything.
        return
