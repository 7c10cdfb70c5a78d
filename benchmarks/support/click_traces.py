"""What tracing costs a click: the same clicks in turns on two systems, of which one is traced."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from fourpoint_standalone.stack import Stack, StackOptions

SIDES = ("off", "on")
# In the environment of a system's processes, so that their processor time can be told apart.
_MARK = "BENCHMARK_TRACES"
# On the system of a side, a click; how many milliseconds it took.
Click = Callable[[], float]


def measure(directory: Path, prepare: Callable[[Stack], Click], clicks: int) -> dict[str, Any]:
    """`clicks` clicks on either side, one here and one there.

    prepare: uploads to a system, and gives what clicks on it. Milliseconds; `processor` is the time that the
    API and both workers spent on processors, by click.
    """
    with ExitStack() as stack:
        sides = {side: prepare(stack.enter_context(_system(directory / side, side))) for side in SIDES}
        for side in SIDES * 5:
            sides[side]()
        before = {side: _processor_seconds(side) for side in SIDES}
        found: dict[str, list[float]] = {side: [] for side in SIDES}
        for turn in range(clicks):
            # Whoever comes first in a turn comes second in the next.
            for side in SIDES[:: 1 if turn % 2 else -1]:
                found[side].append(sides[side]())
        spent = {side: _processor_seconds(side) - before[side] for side in SIDES}
    more = [on - off for off, on in zip(found["off"], found["on"], strict=True)]
    return {
        **{
            side: {"total": round(median(found[side]), 2), "processor": round(spent[side] * 1000 / clicks, 2)}
            for side in SIDES
        },
        "median of the differences": round(median(more), 2),
        "clicks": clicks,
    }


@contextmanager
def _system(directory: Path, side: str) -> Iterator[Stack]:
    directory.mkdir(mode=0o711)
    with ExitStack() as stack:
        environment = {_MARK: side}
        if side == "on":
            endpoint = stack.enter_context(_collector())
            environment |= {"FOURPOINT_TRACING": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        options = StackOptions(directory, api_port=0, api_workers=1, io_processes=1, environment=environment)
        yield stack.enter_context(Stack(options))


class _Taker(BaseHTTPRequestHandler):
    """Takes spans, and looks at none."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer as a collector."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@contextmanager
def _collector() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _processor_seconds(side: str) -> float:
    """What the processes of a side have spent on processors since they began."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={side}".encode() in (process / "environ").read_bytes().split(b"\0"):
                # The name, in brackets, may hold blanks.
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")
