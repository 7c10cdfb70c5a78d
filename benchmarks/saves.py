"""How many annotations a process of the API saves, beside the leanest that writes the same rows.

Two kinds of saves: `POST …/annotations` adds one object; `PUT …/annotations` with `If-Match` replaces a
document of four, each with another outline. 1, 4 and 8 clients, each on images of its own, over HTTP to one
process of gunicorn; PostgreSQL in a cluster of its own with fsync on. In turn with it a hand-written Flask
route over psycopg2 inserts the same revision and annotation rows and commits: see support/raw_saves.py.

Usage: python benchmarks/saves.py [--clients 1,4,8] [--seconds 3] [--rounds 3] [--keep DIRECTORY] [--json]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where `click.py` would hide the library of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
from benchmarks.support import servers
from benchmarks.support.figures import percentiles
from benchmarks.support.many_samples import Seeded, directory_for, labeler_token, seeded
from benchmarks.support.servers import Server
from rich.console import Console
from rich.table import Table

SAMPLES = 10_000
OBJECTS = 4
VERTICES = 40
THREADS = 16


@dataclass(frozen=True)
class Result:
    """Saves of one kind by so many clients. cpu: milliseconds of the process that answers, a save."""

    kind: str
    clients: int
    per_second: float
    p50: float
    p95: float
    cpu: float
    raw_per_second: float
    raw_p50: float
    raw_p95: float
    raw_cpu: float

    @property
    def share(self) -> float:
        """Ours of the baseline's saves per second."""
        return self.per_second / self.raw_per_second


def main() -> None:
    """Seed, save, print, and end with everything stopped."""
    options = _options()
    console = Console(stderr=True)
    with ExitStack() as stack:
        directory = stack.enter_context(directory_for(options.keep, "saves"))
        url = stack.enter_context(servers.database(directory, "saves"))
        about = seeded(directory, url, SAMPLES, console)
        images = _Images(url, about)
        api = stack.enter_context(servers.api(directory, url, THREADS))
        raw = stack.enter_context(servers.baseline("benchmarks.support.raw_saves:app", url, THREADS))
        token = labeler_token(url, about)
        results = [
            _compare(kind, clients, api, raw, images, token, options)
            for kind in ("add one", "replace four")
            for clients in options.clients
        ]
    _report(results, options)


# What is saved


class _Images:
    """Images that nobody has labeled yet, each given out once."""

    def __init__(self, url: str, about: Seeded):
        self.about = about
        with closing(psycopg2.connect(servers.psycopg2_address(url))) as connection:
            cursor = connection.cursor()
            # The baseline leaves the sample's row as it is.
            cursor.execute(
                "SELECT id FROM samples WHERE revision = 0 AND NOT EXISTS"
                " (SELECT FROM revisions WHERE sample_id = samples.id) ORDER BY id"
            )
            self._ids = iter([row[0] for row in cursor])

    def take(self) -> str:
        """Another one."""
        return str(next(self._ids))


def _outline(turn: int) -> dict[str, Any]:
    """A wavy ring about (960, 540): no two turns alike."""
    steps = [2 * math.pi * i / VERTICES for i in range(VERTICES)]
    radius = [200 + 20 * math.sin(5 * step) + turn % 100 for step in steps]
    ring = [
        [round(960 + r * math.cos(s), 3), round(540 + r * math.sin(s), 3)]
        for r, s in zip(radius, steps, strict=True)
    ]
    return {"parts": [{"outer": ring, "holes": []}]}


class _Ours:
    """One client of the API."""

    def __init__(self, kind: str, server: Server, images: _Images, token: str):
        self._http = _connect(server)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._kind = kind
        self._path = f"/v1/samples/{images.take()}/annotations"
        self._label_id = images.about.label_id
        self._ids = [str(uuid4()) for _ in range(OBJECTS)]
        self._etag = '"document-0"'

    def save(self, turn: int) -> float:
        """Milliseconds of one save."""
        if self._kind == "add one":
            return self._send("POST", self._object(str(uuid4()), turn))
        document = {"annotations": [self._object(one, turn) for one in self._ids]}
        return self._send("PUT", document, {"If-Match": self._etag})

    def _object(self, object_id: str, turn: int) -> dict[str, Any]:
        return {"id": object_id, "label_id": self._label_id, "contour": _outline(turn)}

    def _send(self, method: str, body: dict[str, Any], more: dict[str, str] | None = None) -> float:
        took, headers = _request(self._http, method, self._path, body, {**self._headers, **(more or {})})
        self._etag = headers["ETag"]
        return took


class _Raw:
    """One client of the baseline."""

    def __init__(self, kind: str, server: Server, images: _Images, _token: str):
        self._http = _connect(server)
        self._objects = 1 if kind == "add one" else OBJECTS
        self._about = images.about
        self._sample_id = images.take()
        self._numbers = count(1)

    def save(self, turn: int) -> float:
        """Milliseconds of one save."""
        body = {
            "sample_id": self._sample_id,
            "revision": next(self._numbers),
            "author_id": self._about.labeler_id,
            "annotations": [self._object(turn) for _ in range(self._objects)],
        }
        return _request(self._http, "POST", "/", body, {"Content-Type": "application/json"})[0]

    def _object(self, turn: int) -> dict[str, Any]:
        return {
            "id": str(uuid4()),
            "label_id": self._about.label_id,
            "contour": _outline(turn),
            "bbox": [760, 340, 1160, 740],
            "area": 125_663.7,
        }


def _connect(server: Server) -> HTTPConnection:
    # The standard library's client: with eight of them, a comfortable one would be most of what is measured.
    return HTTPConnection(urlsplit(server.base_url).netloc, timeout=60)


def _request(
    http: HTTPConnection, method: str, path: str, body: dict[str, Any], headers: dict[str, str]
) -> tuple[float, Any]:
    text = json.dumps(body)
    began = time.perf_counter()
    http.request(method, path, text, headers)
    response = http.getresponse()
    answer = response.read()
    took = (time.perf_counter() - began) * 1000
    if response.status not in {200, 201}:
        raise SystemExit(f"a save failed: {response.status} {answer.decode()}")
    return took, response.headers


# How it is measured


def _compare(
    kind: str,
    clients: int,
    api: Server,
    raw: Server,
    images: _Images,
    token: str,
    options: argparse.Namespace,
) -> Result:
    """In turn, so that whatever else the machine does is shared."""
    ours, theirs = _Side(api), _Side(raw)
    for _ in range(options.rounds):
        for side, person in ((ours, _Ours), (theirs, _Raw)):
            side.run([person(kind, side.server, images, token) for _ in range(clients)], options.seconds)
    return Result(kind, clients, *ours.figures(), *theirs.figures())


class _Side:
    """Saves at one server."""

    def __init__(self, server: Server):
        self.server = server
        self._times: list[float] = []
        self._seconds = 0.0
        self._cpu = 0.0

    def run(self, people: list[Any], seconds: float) -> None:
        """Everybody saves, one after the other, for so long; a first save each is not counted."""
        for person in people:
            person.save(0)
        cpu, began = self.server.cpu_milliseconds(), time.perf_counter()
        with ThreadPoolExecutor(len(people)) as pool:
            done = list(pool.map(lambda person: list(_for(seconds, person.save)), people))
        self._seconds += time.perf_counter() - began
        self._cpu += self.server.cpu_milliseconds() - cpu
        self._times += [took for times in done for took in times]

    def figures(self) -> tuple[float, float, float, float]:
        """Saves a second, p50, p95, and CPU a save."""
        saves = len(self._times)
        return round(saves / self._seconds, 1), *percentiles(self._times), round(self._cpu / saves, 2)


def _for(seconds: float, save: Callable[[int], float]) -> Iterator[float]:
    until = time.perf_counter() + seconds
    for turn in count(1):
        if time.perf_counter() >= until:
            return
        yield save(turn)


# Output


def _report(results: list[Result], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps([{**asdict(one), "share": round(one.share, 2)} for one in results], indent=2))
        return
    table = Table(title="Saves by one process, milliseconds over HTTP")
    for column in (
        "",
        "clients",
        "a second",
        "p50",
        "p95",
        "CPU",
        "raw a second",
        "p50",
        "p95",
        "CPU",
        "share",
    ):
        table.add_column(column, justify="right" if column else "left")
    for one in results:
        ours = (one.per_second, one.p50, one.p95, one.cpu)
        theirs = (one.raw_per_second, one.raw_p50, one.raw_p95, one.raw_cpu)
        numbers = [f"{number:.1f}" for number in (*ours, *theirs)]
        table.add_row(one.kind, str(one.clients), *numbers, f"{one.share:.2f}")
    Console(width=max(110, Console().width)).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers: Callable[[str], list[int]] = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser.add_argument("--clients", type=numbers, default=[1, 4, 8], help="people at once, e.g. 1,4,8")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each side in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="where the dataset lies, for this run and the next")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
