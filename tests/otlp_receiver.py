"""A collector as OpenTelemetry's protocol has it: takes spans by HTTP, and keeps them to be looked at."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class Span:
    """A span as it arrived. ids in hexadecimal; parent_id: empty for the first of a trace."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    facts: dict[str, Any]
    seconds: float
    began: int
    failed: bool


class OtlpReceiver:
    """Listens at a free port. While `answers` is not set it takes requests and answers none.

    hangs_up: ends every connection instead.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        self.hangs_up = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked.set()
                receiver.answers.wait()
                if receiver.hangs_up:
                    self.close_connection = True
                    return
                receiver.bodies.append(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def variables(self) -> dict[str, str]:
        """What a process is told to send its spans here, soon."""
        return {
            "FOURPOINT_TRACING": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    @property
    def spans(self) -> list[Span]:
        """All that have arrived."""
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = _facts(resource.resource.attributes)["service.name"]
                found += [_span(service, span) for scope in resource.scope_spans for span in scope.spans]
        return found

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace that have arrived, by when they began."""
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.began)

    def wait_for(self, fact: Callable[[list[Span]], object]) -> list[Span]:
        """The spans, once they fit; or after two minutes, fit or not."""
        end = time.monotonic() + 120
        while not fact(self.spans) and time.monotonic() < end:
            time.sleep(0.05)
        return self.spans


def tree(spans: list[Span]) -> str:
    """A trace as text: a line a span, indented below its parent."""
    known = {span.span_id for span in spans}

    def lines(parent_id: str, depth: int) -> list[str]:
        below = [span for span in spans if (span.parent_id if span.parent_id in known else "") == parent_id]
        out = []
        for span in sorted(below, key=lambda span: span.began):
            label = f"{'  ' * depth}{span.name}"
            out.append(f"{label:<58}{span.seconds * 1000:8.1f} ms  {span.service}")
            out += lines(span.span_id, depth + 1)
        return out

    return "\n".join(lines("", 0))


def _span(service: str, span: Any) -> Span:
    return Span(
        service=service,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        facts=_facts(span.attributes),
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        began=span.start_time_unix_nano,
        failed=span.status.code == 2,
    )


def _facts(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}
