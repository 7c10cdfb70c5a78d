"""`Prefer: wait=N` (RFC 7240)."""

from flask import Response, after_this_request, request
from werkzeug.http import parse_dict_header

from fourpoint_core.errors import InvalidInputError


def preferred_wait(longest: float) -> float:
    """How many seconds the client would wait, at most `longest`; 0 when it did not say.

    Raises InvalidInputError when the number is none.
    """
    preferences = parse_dict_header(request.headers.get("Prefer", "").replace(";", ","))
    text = preferences.get("wait")
    if text is None:
        return 0.0
    if not text.isdecimal():
        raise InvalidInputError.at("", "prefer_invalid", "Give Prefer: wait=N with N in whole seconds.")
    return min(float(text), longest)


def waited(seconds: float) -> None:
    """Say in the answer to this request, unless it is an error, that it was held for at most so long."""

    @after_this_request
    def _say(response: Response) -> Response:
        if response.status_code < 400:
            response.headers["Preference-Applied"] = f"wait={seconds:g}"
        return response
