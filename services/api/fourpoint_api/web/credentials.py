"""What a request says of who sends it, however it is written."""

from flask import request

INTEGRATIONS = "/integrations/"


def authorization() -> str | None:
    """What says who the caller is: a token, which tools that know passwords only send as one.

    For those tools alone: a browser sends a password that it has been told by itself, whoever's page asks.
    """
    if request.path.startswith(INTEGRATIONS):
        said = request.authorization
        if said is not None and said.type == "basic" and said.password:
            return f"Bearer {said.password}"
    return request.headers.get("Authorization")
