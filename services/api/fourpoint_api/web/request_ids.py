"""One id per request: taken from the client or made, logged on every line, and sent back."""

import logging
import re
import time
from uuid import UUID

from flask import Flask, Response, g, request

from fourpoint_api.web.measuring import route_of_request
from fourpoint_core.ids import new_id
from fourpoint_core.logs import request_id_var

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")
logger = logging.getLogger(__name__)


def install(app: Flask) -> None:
    """Name every request, and log its end."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    # Anything else could forge log lines or headers.
    request_id_var.set(given if _ACCEPTABLE.fullmatch(given) else str(new_id()))
    g.started = time.perf_counter()


def _forget(error: BaseException | None) -> None:
    # The thread goes on to other work, whose lines are not this request's.
    request_id_var.set(None)


def _path_without_secrets() -> str:
    """The route with the ids of its address; what else stands there may open something, as signed links do."""
    path = route_of_request()
    for name, value in (request.view_args or {}).items():
        if isinstance(value, UUID):
            path = path.replace(f"<uuid:{name}>", str(value))
    return path


def _end(response: Response) -> Response:
    response.headers[HEADER] = request_id_var.get() or ""
    logger.info(
        "request",
        extra={
            "method": request.method,
            "path": _path_without_secrets(),
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 1),
        },
    )
    return response
