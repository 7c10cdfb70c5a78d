"""gunicorn's threaded worker, which answers what no application ever sees as the application would have."""

import errno
import json
import selectors
import socket
import threading
import time
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors as http
from gunicorn.workers.gthread import ThreadWorker

from fourpoint_api.gunicorn_connection import HELD_BYTES, Connection
from fourpoint_api.web import leaving, request_ids
from fourpoint_api.web.browsers import NOT_TO_BE_RUN
from fourpoint_api.web.problems import (
    MEDIA_TYPE,
    STATUS,
    AddressTooLongError,
    BadRequestError,
    HeadersTooLargeError,
    RequestTooSlowError,
    problem,
)
from fourpoint_api.web.slow_clients import NoRoom, Patience, PatientSocket, TooSlow
from fourpoint_core.errors import FourpointError, InternalError
from fourpoint_core.ids import new_id
from fourpoint_core.logs import log_context

# Not the client's mistakes.
_OURS = (http.InvalidResponseHeader, http.InvalidResponseHeaderName, http.ConfigurationProblem)
# Mistakes that HTTP has a status of their own for.
_STATUS = {http.ExpectationFailed: 417, http.UnsupportedTransferCoding: 501}

# How long a connection that we close stays open for what its client still sends: closed at once, it would be
# reset, and the answer lost.
FAREWELL_SECONDS = 2.0


class Worker(ThreadWorker):
    """Refuses requests that cannot be read with a problem document, and leaves in two steps.

    A thread is given a request when it has come (see `Connection`), so that none waits for slow clients but for
    large bodies, and of those only as many as `Patience` has room for. Answers are taken from it as far as
    `PatientSocket` has patience.

    drain_seconds: how long it goes on after it was told to end; see `web.leaving`.
    head_seconds, body_seconds, least_rate: see `Patience`.
    """

    drain_seconds = 0.0
    head_seconds = 10.0
    body_seconds = 30.0
    least_rate = 4096

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        room = threading.Semaphore(max(1, self.cfg.threads // 2))
        self._patience = Patience(self.head_seconds, self.body_seconds, self.least_rate, room)
        self._expected: set[Connection] = set()
        self._leaving: dict[socket.socket, float] = {}
        self._looked_at = 0.0

    def accept(self, listener: socket.socket) -> None:
        """See gunicorn."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        self.enqueue_req(
            Connection(
                self.cfg,
                PatientSocket(accepted, self._patience),
                address,
                listener.getsockname(),
                patience=self._patience,
                farewell=self._take_leave,
            )
        )

    def enqueue_req(self, conn: Connection) -> None:
        """See gunicorn; here a request is collected before a thread is given it."""
        conn.expect()
        conn.sock.setblocking(False)
        conn.collect()
        if conn.is_there:
            super().enqueue_req(conn)
            return
        self._expected.add(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._collect, conn))

    def murder_pending(self) -> None:
        """See gunicorn: whatever is overdue ends."""
        super().murder_pending()
        now = time.monotonic()
        if now < self._looked_at + 0.5:
            return
        self._looked_at = now
        for conn in [conn for conn in self._expected if conn.due < now]:
            self._refuse_late(conn)
        for client in [client for client, end in self._leaving.items() if end < now]:
            self._close(client)

    def handle(self, conn: Connection) -> Any:
        """See gunicorn."""
        if conn.refusal is None:
            return super().handle(conn)
        self.handle_error(None, conn.sock, conn.client, conn.refusal)
        return False

    def _collect(self, conn: Connection, client: socket.socket) -> None:
        conn.collect()
        if conn.is_there:
            self._expected.remove(conn)
            self.poller.unregister(client)
            super().enqueue_req(conn)

    def _refuse_late(self, conn: Connection) -> None:
        self._expected.remove(conn)
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        if conn.received:
            self.handle_error(None, conn.sock, conn.client, TooSlow())
        conn.close()

    def _take_leave(self, client: socket.socket) -> None:
        """Close the connection when its client does, or a little later."""
        try:
            client.shutdown(socket.SHUT_WR)
            client.setblocking(False)
            self.poller.register(client, selectors.EVENT_READ, self._drain)
        except OSError:
            util.close(client)
            return
        self.nr_conns += 1
        self._leaving[client] = time.monotonic() + FAREWELL_SECONDS

    def _drain(self, client: socket.socket) -> None:
        try:
            if client.recv(HELD_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            self.log.debug("the client was gone first")
        self._close(client)

    def _close(self, client: socket.socket) -> None:
        del self._leaving[client]
        self.poller.unregister(client)
        self.nr_conns -= 1
        util.close(client)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """See gunicorn. Who says it twice means now."""
        if leaving.has_begun() or not self.drain_seconds:
            self._close_doors(sig, frame)
            return
        leaving.begin()
        timer = threading.Timer(self.drain_seconds, self._close_doors, (sig, None))
        timer.daemon = True
        timer.start()

    def _close_doors(self, sig: int, frame: Any) -> None:
        leaving.close()
        super().handle_exit(sig, frame)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """See gunicorn."""
        if req is not None and isinstance(exc, TooSlow | NoRoom):
            # The rest of a body that the application has answered without.
            return
        error = _problem(exc)
        with log_context(request_id=str(new_id())):
            if isinstance(error, InternalError):
                self.log.error("unhandled error", exc_info=exc)
            else:
                # Not its words, which quote the first line and the headers, and these may open something.
                self.log.warning("request refused from %s: %s", (addr or ("-",))[0], type(exc).__name__)
            answer = _answer(error, _STATUS.get(type(exc), STATUS[type(error)]))
        try:
            util.write(client, answer)
        except OSError:
            self.log.debug("nobody was there to be told")


def _problem(error: Exception) -> FourpointError:
    if isinstance(error, TooSlow):
        return RequestTooSlowError("Send the whole request at once, and over a line that is fast enough.")
    if isinstance(error, http.LimitRequestLine):
        return AddressTooLongError("Shorten the address; the first line of a request is 8,190 bytes at most.")
    if isinstance(error, http.LimitRequestHeaders):
        return HeadersTooLargeError("Send fewer and shorter headers.")
    if isinstance(error, http.ParseException) and not isinstance(error, _OURS):
        return BadRequestError(f"This is no HTTP request: {error}.")
    return InternalError("The service failed unexpectedly; quote the request id when you report it.")


def _answer(error: FourpointError, status: int) -> bytes:
    document, _ = problem(error.code, error.title, error.detail, [])
    body = json.dumps({**document, "status": status}).encode()
    headers = {
        "Connection": "close",
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        request_ids.HEADER: document["request_id"],
        **NOT_TO_BE_RUN,
    }
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
