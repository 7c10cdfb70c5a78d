"""How many annotations the API saves, beside the leanest that writes the same rows.

Two kinds of saves: `POST …/annotations` adds one object; `PUT …/annotations` with `If-Match` replaces a
document of four, each with another outline. 1, 4 and 8 clients, each on images of its own, over HTTP to two
processes of gunicorn, as the API is run; PostgreSQL in a cluster of its own with fsync on: every save is one
durable commit.

In turn with it the same body goes to two hand-written Flask routes over psycopg2 (see support/raw_saves.py):

- *same rows* writes all that the save leaves: revision, objects, the sample's state, and by the schema's
  triggers states, labels and counts. That is the baseline.
- *bare* inserts the revision and its objects, and nothing else.

Usage: python benchmarks/saves.py [--clients 1,4,8] [--seconds 3] [--rounds 3] [--processes 2]
       [--keep DIRECTORY] [--json] [--plot FILE]
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
from threading import Lock
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
from benchmarks.support import plots, servers
from benchmarks.support.figures import numbers, percentiles
from benchmarks.support.many_samples import Seeded, directory_for, labeler_token, seeded
from benchmarks.support.servers import Server
from rich.console import Console
from rich.table import Table

SAMPLES = 40_000
OBJECTS = 4
VERTICES = 40
THREADS = 16
# Saves of one image by one client, before it goes on to the next.
TURNS = 25


@dataclass(frozen=True)
class Figures:
    """Saves at one server. cpu: milliseconds of the process that answers, a save; PostgreSQL's is not in it."""

    per_second: float
    p50: float
    p95: float
    cpu: float


@dataclass(frozen=True)
class Result:
    """Saves of one kind by so many clients."""

    kind: str
    clients: int
    ours: Figures
    same_rows: Figures
    bare: Figures

    @property
    def share(self) -> float:
        """Ours of the baseline's saves per second."""
        return round(self.ours.per_second / self.same_rows.per_second, 2)

    @property
    def share_of_bare(self) -> float:
        """Ours of what inserts alone would be."""
        return round(self.ours.per_second / self.bare.per_second, 2)


def main() -> None:
    """Seed, save, print, and end with everything stopped."""
    options = _options()
    console = Console(stderr=True)
    with ExitStack() as stack:
        directory = stack.enter_context(directory_for(options.keep, "saves"))
        url = stack.enter_context(servers.database(directory, "saves"))
        about = seeded(directory, url, SAMPLES, console)
        images = _Images(url, about)
        api = stack.enter_context(servers.api(directory, url, THREADS, options.processes))
        application = "benchmarks.support.raw_saves:app"
        raw = stack.enter_context(servers.baseline(application, url, THREADS, options.processes))
        token = labeler_token(url, about)
        people = {
            "ours": _Side(api, lambda kind: _Ours(kind, api, images, token)),
            "same_rows": _Side(raw, lambda kind: _SameRows(kind, raw, images)),
            "bare": _Side(raw, lambda kind: _Bare(kind, raw, images)),
        }
        results = [
            _compare(kind, clients, people, options)
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
            # The bare baseline leaves the sample's row as it is.
            cursor.execute(
                "SELECT id FROM samples WHERE revision = 0 AND NOT EXISTS"
                " (SELECT FROM revisions WHERE sample_id = samples.id) ORDER BY id"
            )
            self._ids = iter([row[0] for row in cursor])
        self._taking = Lock()

    def take(self) -> str:
        """Another one."""
        with self._taking:
            found = next(self._ids, None)
        if found is None:
            raise SystemExit("every image has been labeled; begin anew, in another directory")
        return str(found)


def _outline(turn: int) -> dict[str, Any]:
    """A wavy ring about (960, 540): no two turns alike."""
    steps = [2 * math.pi * i / VERTICES for i in range(VERTICES)]
    radius = [200 + 20 * math.sin(5 * step) + turn % 100 for step in steps]
    ring = [
        [round(960 + r * math.cos(s), 3), round(540 + r * math.sin(s), 3)]
        for r, s in zip(radius, steps, strict=True)
    ]
    return {"parts": [{"outer": ring, "holes": []}]}


class _Client:
    """Somebody who saves, one image after the other; what it is sent to is a subclass's."""

    def __init__(self, kind: str, server: Server, images: _Images):
        self.adds = kind == "add one"
        self.images = images
        self._http = _connect(server)
        self._turns = 0
        self.sample_id = ""
        self._ids: list[str] = []

    def save(self) -> float:
        """Milliseconds of one save."""
        if self._turns % TURNS == 0:
            self.sample_id = self.images.take()
            self._ids = [str(uuid4()) for _ in range(OBJECTS)]
            self.begin_image()
        self._turns += 1
        if self.adds:
            method, body = "POST", self._object(str(uuid4()))
        else:
            method, body = "PUT", {"annotations": [self._object(one) for one in self._ids]}
        path, headers = self.where()
        took, answered = _request(self._http, method, path, body, headers)
        self.heard(answered)
        return took

    def begin_image(self) -> None:
        """Before the first save of an image."""

    def where(self) -> tuple[str, dict[str, str]]:
        """The address of the next save, and what is said to it."""
        raise NotImplementedError

    def heard(self, headers: Any) -> None:
        """Of the answer."""

    def _object(self, object_id: str) -> dict[str, Any]:
        return {"id": object_id, "label_id": self.images.about.label_id, "contour": _outline(self._turns)}


class _Ours(_Client):
    """One client of the API."""

    def __init__(self, kind: str, server: Server, images: _Images, token: str):
        super().__init__(kind, server, images)
        self._token = token
        self._etag = ""

    def begin_image(self) -> None:
        self._etag = '"document-0"'

    def where(self) -> tuple[str, dict[str, str]]:
        headers = {"Authorization": f"Bearer {self._token}"}
        return f"/v1/samples/{self.sample_id}/annotations", headers if self.adds else {
            **headers,
            "If-Match": self._etag,
        }

    def heard(self, headers: Any) -> None:
        self._etag = headers["ETag"]


class _SameRows(_Client):
    """One client of the baseline."""

    def where(self) -> tuple[str, dict[str, str]]:
        return f"/samples/{self.sample_id}?author={self.images.about.labeler_id}", {}


class _Bare(_Client):
    """One client of the inserts alone."""

    def begin_image(self) -> None:
        self._numbers = count(1)

    def where(self) -> tuple[str, dict[str, str]]:
        author = self.images.about.labeler_id
        return f"/bare/{self.sample_id}/{next(self._numbers)}?author={author}", {}


def _connect(server: Server) -> HTTPConnection:
    # The standard library's client: with eight of them, a comfortable one would be most of what is measured.
    return HTTPConnection(urlsplit(server.base_url).netloc, timeout=60)


def _request(
    http: HTTPConnection, method: str, path: str, body: dict[str, Any], headers: dict[str, str]
) -> tuple[float, Any]:
    text = json.dumps(body)
    began = time.perf_counter()
    http.request(method, path, text, {"Content-Type": "application/json", **headers})
    response = http.getresponse()
    answer = response.read()
    took = (time.perf_counter() - began) * 1000
    if response.status not in {200, 201}:
        raise SystemExit(f"a save failed: {response.status} {answer.decode()}")
    return took, response.headers


# How it is measured


def _compare(kind: str, clients: int, sides: dict[str, "_Side"], options: argparse.Namespace) -> Result:
    """In turn, so that whatever else the machine does is shared."""
    runs: dict[str, _Run] = {name: _Run() for name in sides}
    for _ in range(options.rounds):
        for name, side in sides.items():
            runs[name].add(side, [side.person(kind) for _ in range(clients)], options.seconds)
    return Result(kind, clients, **{name: run.figures() for name, run in runs.items()})


@dataclass(frozen=True)
class _Side:
    """A server, and who saves at it."""

    server: Server
    person: Callable[[str], _Client]


class _Run:
    """What saves at one server took."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._seconds = 0.0
        self._cpu = 0.0

    def add(self, side: _Side, people: list[_Client], seconds: float) -> None:
        """Everybody saves, one after the other, for so long; a first save each is not counted."""
        for person in people:
            person.save()
        cpu, began = side.server.cpu_milliseconds(), time.perf_counter()
        with ThreadPoolExecutor(len(people)) as pool:
            done = list(pool.map(lambda person: list(_for(seconds, person.save)), people))
        self._seconds += time.perf_counter() - began
        self._cpu += side.server.cpu_milliseconds() - cpu
        self._times += [took for times in done for took in times]

    def figures(self) -> Figures:
        """Saves a second, p50, p95, and CPU a save."""
        saves = len(self._times)
        return Figures(round(saves / self._seconds, 1), *percentiles(self._times), round(self._cpu / saves, 2))


def _for(seconds: float, save: Callable[[], float]) -> Iterator[float]:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        yield save()


# Output


def _report(results: list[Result], options: argparse.Namespace) -> None:
    if options.plot:
        plots.bars(
            options.plot,
            f"Saves a second, by {options.processes} processes",
            {
                f"{one.kind}, {one.clients} {'client' if one.clients == 1 else 'clients'}": (
                    one.ours.per_second,
                    one.same_rows.per_second,
                    one.bare.per_second,
                )
                for one in results
            },
            ("the API", "hand-written, same rows", "inserts alone"),
        )
    if options.json:
        shares = ("share", "share_of_bare")
        rows = [{**asdict(one), **{name: getattr(one, name) for name in shares}} for one in results]
        print(json.dumps(rows, indent=2))
        return
    table = Table(title=f"Saves by {options.processes} processes; milliseconds over HTTP")
    measured = ("a second", "p50", "p95", "CPU")
    for column in ("", "clients", *measured, "same rows", *measured[1:], "share", "bare", "share of bare"):
        table.add_column(column, justify="right" if column else "left")
    for one in results:
        numbers = [
            f"{number:.1f}"
            for side in (one.ours, one.same_rows)
            for number in (side.per_second, side.p50, side.p95, side.cpu)
        ]
        told = (f"{one.share:.2f}", f"{one.bare.per_second:.1f}", f"{one.share_of_bare:.2f}")
        table.add_row(one.kind, str(one.clients), *numbers, *told)
    Console(width=max(130, Console().width)).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=numbers, default=[1, 4, 8], help="people at once, e.g. 1,4,8")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each side in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2, help="of each server")
    parser.add_argument("--keep", type=Path, help="where the dataset lies, for this run and the next")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="where the picture goes, e.g. saves.svg")
    return parser.parse_args()


if __name__ == "__main__":
    main()
