"""A proxy before a real S3 server that passes requests on as they are, or lets happen what a test says.

Signatures stay valid, because the address that a client signs for is this one's, and the server is told so.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.s3_server import S3Server

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks. path: with the query. is_listing: whether it is of a bucket, and not of an object."""

    method: str
    path: str

    @property
    def is_listing(self) -> bool:
        """A page of a listing."""
        return self.method == "GET" and "?" in self.path and "/" not in self.path.partition("?")[0].strip("/")

    @property
    def is_of_an_object(self) -> bool:
        """Reading or writing one, or looking at it."""
        return "/" in self.path.partition("?")[0].strip("/")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request.

    status, code: answered instead of the server. keep: so many bytes of the body arrive, and then the
    connection ends. seconds: the answer takes so much longer.
    """

    status: int = 0
    code: str = ""
    keep: int | None = None
    seconds: float = 0.0


PASS = Fault()
Rule = Callable[[Request], Fault]


@dataclass
class FaultyS3:
    """A running proxy. rule: what happens to each request, asked by many threads; met: requests it hit."""

    endpoint: str = ""
    rule: Rule = lambda request: PASS
    met: list[Request] = field(default_factory=list)

    def decide(self, request: Request) -> Fault:
        """What happens to this one."""
        fault = self.rule(request)
        if fault is not PASS:
            self.met.append(request)
        return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        fault = self.server.faulty.decide(Request(self.command, self.path))
        time.sleep(fault.seconds)
        if fault.status:
            self._refuse(fault)
            return
        upstream = HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            self._pass_on(upstream.getresponse(), fault)
        finally:
            upstream.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the names that the library calls

    def _refuse(self, fault: Fault) -> None:
        body = f"<Error><Code>{fault.code}</Code><Message>as the test says</Message></Error>".encode()
        self.send_response(fault.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _pass_on(self, answer: HTTPResponse, fault: Fault) -> None:
        body = answer.read()
        self.send_response(answer.status, answer.reason)
        length = str(len(body))
        for name, value in answer.getheaders():
            if name.lower() == "content-length":
                length = value
            elif name.lower() not in _HOP_BY_HOP and name.lower() not in {"server", "date"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body if fault.keep is None else body[: fault.keep])
        if fault.keep is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, faulty: FaultyS3):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = port
        self.faulty = faulty

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no news."""


@contextmanager
def faults_before(server: S3Server) -> Iterator[FaultyS3]:
    """A proxy before a running server."""
    faulty = FaultyS3()
    with _Server(server.port, faulty) as listening:
        faulty.endpoint = f"127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield faulty
        listening.shutdown()
        thread.join()
