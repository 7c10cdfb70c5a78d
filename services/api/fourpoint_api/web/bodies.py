"""What may be in a request's body at all, whatever it is for: refused before a byte of it is read.

How long it may be is up to each address (`max_content_length`).
"""

from flask import Flask, request
from gunicorn.http.errors import ParseException

from fourpoint_api.web.problems import BadRequestError, UnsupportedMediaTypeError, answer


def install(app: Flask) -> None:
    """Refuse bodies that are packed, and those that are cut wrongly."""

    def refuse_packed() -> None:
        # Unpacked, a few kilobytes may be gigabytes; and nobody here unpacks.
        if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
            raise UnsupportedMediaTypeError("Send the body as it is, without Content-Encoding.")

    app.before_request(refuse_packed)
    # Of a body in pieces the server learns only while it is read that it is none.
    app.register_error_handler(
        ParseException, lambda error: answer(BadRequestError(f"The body ends in no right way: {error}."))
    )
