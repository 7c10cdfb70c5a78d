"""gunicorn's threaded worker, which answers what no application ever sees as the application would have."""

import json
import socket
import threading
from typing import Any

from gunicorn import util
from gunicorn.http import errors as http
from gunicorn.workers.gthread import ThreadWorker

from fourpoint_api.web import leaving
from fourpoint_api.web.problems import (
    MEDIA_TYPE,
    STATUS,
    AddressTooLongError,
    BadRequestError,
    HeadersTooLargeError,
)
from fourpoint_core.errors import FourpointError
from fourpoint_core.ids import new_id

# Not the client's mistakes, or of a status of their own.
_OF_GUNICORN = (
    http.InvalidResponseHeader,
    http.InvalidResponseHeaderName,
    http.UnsupportedTransferCoding,
    http.ConfigurationProblem,
    http.ExpectationFailed,
)
REASONS = {400: "Bad Request", 414: "URI Too Long", 431: "Request Header Fields Too Large"}


class Worker(ThreadWorker):
    """Refuses requests that cannot be read with a problem document, and leaves in two steps.

    drain_seconds: how long it goes on after it was told to end; see `web.leaving`.
    """

    drain_seconds = 0.0

    def handle_exit(self, sig: int, frame: Any) -> None:
        """See gunicorn. Who says it twice means now."""
        if leaving.has_begun() or not self.drain_seconds:
            leaving.begin()
            super().handle_exit(sig, frame)
            return
        leaving.begin()
        timer = threading.Timer(self.drain_seconds, super().handle_exit, (sig, None))
        timer.daemon = True
        timer.start()

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """See gunicorn."""
        problem = _problem(exc)
        if problem is None:
            # It logs the address, and that may be a signed link.
            if req is not None:
                req.uri = "-"
            super().handle_error(req, client, addr, exc)
            return
        # Not its words, which quote the first line and the headers.
        self.log.warning("request refused from %s: %s", (addr or ("-",))[0], type(exc).__name__)
        try:
            util.write(client, _answer(problem))
        except OSError:
            self.log.debug("nobody was there to be told")


def _problem(error: Exception) -> FourpointError | None:
    if isinstance(error, http.LimitRequestLine):
        return AddressTooLongError("Shorten the address; the first line of a request is 8,190 bytes at most.")
    if isinstance(error, http.LimitRequestHeaders):
        return HeadersTooLargeError("Send fewer and shorter headers.")
    if isinstance(error, http.ParseException) and not isinstance(error, _OF_GUNICORN):
        return BadRequestError(f"This is no HTTP request: {error}.")
    return None


def _answer(error: FourpointError) -> bytes:
    status = STATUS[type(error)]
    request_id = str(new_id())
    body = json.dumps(
        {
            "type": f"urn:fourpoint:problem:{error.code}",
            "title": error.title,
            "status": status,
            "detail": error.detail,
            "code": error.code,
            "errors": [],
            "request_id": request_id,
        }
    ).encode()
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("latin-1") + body
