"""How long lists, filters and counts take, from HTTP in to answer out, beside the leanest that
could do the same.

Seeds one dataset by COPY into a PostgreSQL of its own (fsync on), derives what filters stand on by the command
that repairs it (`fourpoint recount`), and asks the API over HTTP, one client, one process, a kept connection.
Beside each request, in turn, a hand-written Flask route over psycopg2 answers the same page with one fixed SQL
text: no sign-in, no schema, no cursor to sign. Both use the same tables and indexes.

Usage: python benchmarks/lists.py [--samples 1000000] [--requests 60] [--json]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where `click.py` would hide the library of that name.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

# ruff: noqa: E402
import argparse
import io
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any
from uuid import UUID

import httpx
import psycopg2
from rich.console import Console
from rich.table import Table

from fourpoint_core.ids import new_id
from fourpoint_core.store import migrate
from fourpoint_standalone import people, processes
from fourpoint_standalone.postgres import PostgresServer
from fourpoint_standalone.recounting import recount

LABELS, LABELERS, FOLDERS, DAYS = 200, 50, 100, 730
OBJECTS = 4  # per labeled image; three quarters are labeled
LIMIT = 50
WORDS = ("street", "harbour", "forest", "market", "bridge", "meadow", "station", "kitchen")
COLUMNS = (
    "s.id, s.dataset_id, s.name, s.object_key, s.digest, s.media_type, s.size_bytes, s.width, s.height,"
    " s.annotation_count, s.revision, s.labeled_by, s.labeled_at, s.created_by, s.created_at"
)


@dataclass(frozen=True)
class Seeded:
    """What the requests are about."""

    dataset_id: UUID
    label_id: UUID
    labeler_id: UUID
    middle_id: UUID
    start: datetime


@dataclass(frozen=True)
class Case:
    """One request: its address at the API, and the same page at the baseline."""

    name: str
    path: str
    raw: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """Milliseconds of one case."""

    name: str
    p50: float
    p95: float
    raw_p50: float
    raw_p95: float

    @property
    def ratio(self) -> float:
        """The API's median over the baseline's."""
        return self.p50 / self.raw_p50


def main() -> None:
    """Seed, ask, print, and end with everything stopped."""
    options = _options()
    if options.serve_raw:
        _serve_raw(options.serve_raw)
        return
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="fourpoint-lists-") as name, ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o711)
        server = PostgresServer(directory / "postgres", options=_POSTGRES)
        server.start()
        stack.callback(server.stop, "immediate")
        server.create_database("lists")
        url = server.url("lists")
        migrate.upgrade(url)
        token = people.ensure_admin(url, directory)
        began = time.monotonic()
        seeded = _seed(_address(url), options.samples, console)
        for _ in recount(url):
            pass
        _settle(_address(url))
        seconds = time.monotonic() - began
        console.print(f"seeded {options.samples:,} samples in {seconds:.0f} s")
        api = stack.enter_context(_api(directory, url))
        raw = stack.enter_context(_raw(_address(url)))
        client = stack.enter_context(
            httpx.Client(base_url=api, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        )
        baseline = stack.enter_context(httpx.Client(base_url=raw, timeout=60))
        cases = _cases(client, seeded, console)
        results = [_measure(client, baseline, case, options.requests) for case in cases]
    _report(results, options, seconds)


# Data


def _seed(address: str, count: int, console: Console) -> Seeded:
    chance = random.Random(7)
    start = datetime.now(UTC) - timedelta(days=DAYS)
    people_ids, label_ids, dataset_id = [new_id() for _ in range(LABELERS)], [], new_id()
    label_ids = [new_id() for _ in range(LABELS)]
    ids = [new_id() for _ in range(count)]
    connection = psycopg2.connect(address)
    with connection, connection.cursor() as cursor:
        _copy(cursor, "users", "id, name", ((one, f"labeler {i}") for i, one in enumerate(people_ids)))
        _copy(
            cursor,
            "datasets",
            "id, name, description, input_path, created_by",
            [(dataset_id, "Lists", "", "in/", people_ids[0])],
        )
        _copy(
            cursor,
            "labels",
            "id, dataset_id, name, colour, mask_index",
            ((one, dataset_id, f"label {i}", "#3399ff", i + 1) for i, one in enumerate(label_ids)),
        )
        console.print("samples")
        _copy(
            cursor,
            "samples",
            "id, dataset_id, name, object_key, object_etag, digest, media_type, size_bytes, width, height,"
            " created_by, created_at, revision, annotation_count, labeled_by, labeled_at",
            _samples(ids, dataset_id, people_ids, start, chance),
        )
        console.print("annotations")
        # The rows are right by construction; three checks for each of millions would be most of the seeding.
        cursor.execute("SET session_replication_role = replica")
        labeled = [i for i in range(count) if i % 4]
        _copy(
            cursor,
            "revisions",
            "sample_id, number, action, author_id, created_at",
            ((ids[i], 1, "replace", people_ids[i % LABELERS], _labeled_at(start, i, count)) for i in labeled),
        )
        _copy(
            cursor,
            "annotations",
            "sample_id, annotation_id, valid_from, label_id, contour, bounding_box, area, method, created_by",
            _annotations(ids, labeled, label_ids, people_ids, chance),
        )
    connection.close()
    return Seeded(dataset_id, label_ids[3], people_ids[7], ids[count // 2], start)


def _created_at(start: datetime, index: int, count: int) -> datetime:
    return start + timedelta(days=DAYS) * (index / count)


def _labeled_at(start: datetime, index: int, count: int) -> datetime:
    return _created_at(start, index, count) + timedelta(hours=1)


def _samples(
    ids: list[UUID], dataset_id: UUID, people_ids: list[UUID], start: datetime, chance: random.Random
) -> Iterator[tuple[Any, ...]]:
    count = len(ids)
    for i, sample_id in enumerate(ids):
        name = f"{WORDS[i % len(WORDS)]}_{i:07d}.jpg"
        labeled = bool(i % 4)
        who = people_ids[i % LABELERS] if labeled else r"\N"
        when = _labeled_at(start, i, count) if labeled else r"\N"
        key = f"in/batch_{i * FOLDERS // count:02d}/{name}"
        yield (
            sample_id,
            dataset_id,
            name,
            key,
            "etag",
            f"{i:064x}",
            "image/jpeg",
            chance.randrange(10**4, 10**6),
            1920,
            1080,
            people_ids[0],
            _created_at(start, i, count),
            int(labeled),
            OBJECTS * labeled,
            who,
            when,
        )


def _annotations(
    ids: list[UUID], labeled: list[int], label_ids: list[UUID], people_ids: list[UUID], chance: random.Random
) -> Iterator[tuple[Any, ...]]:
    contour = json.dumps({"parts": [{"outer": [[10, 10], [90, 10], [90, 70], [10, 70]], "holes": []}]})
    for i in labeled:
        for _ in range(OBJECTS):
            yield (
                ids[i],
                UUID(int=chance.getrandbits(128)),
                1,
                chance.choice(label_ids),
                contour,
                "[10, 10, 90, 70]",
                4800,
                "polygon",
                people_ids[i % LABELERS],
            )


class _Lines(io.RawIOBase):
    """Rows as a file in COPY's text format, read as they are made."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]):
        self._rows = iter(rows)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        parts, held = [self._rest], len(self._rest)
        for row in self._rows:
            line = ("\t".join(map(str, row)) + "\n").encode()
            parts.append(line)
            held += len(line)
            if held >= size:
                break
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]


def _copy(cursor: Any, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", _Lines(rows), size=1 << 20)


def _settle(address: str) -> None:
    connection = psycopg2.connect(address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    connection.close()


def _address(url: str) -> str:
    return url.replace("postgresql+psycopg2://", "postgresql://")


# What is asked


def _cases(client: httpx.Client, seeded: Seeded, console: Console) -> list[Case]:
    samples = f"/v1/datasets/{seeded.dataset_id}/samples"
    console.print("walking to the end")
    middle, end = _walk(client, samples)
    base = {"dataset": str(seeded.dataset_id)}
    label, labeler = str(seeded.label_id), str(seeded.labeler_id)
    recent = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    past = (seeded.start + timedelta(days=DAYS // 2)).isoformat()
    prefix, needle = "in/batch_97/", "bridge_0"
    limit = f"limit={LIMIT}"

    def listed(name: str, query: str, raw: str, **more: str) -> Case:
        return Case(name, f"{samples}?{limit}{query}", {"page": raw, **base, **more})

    four = f"&label_id={label}&created_within=30d&path_prefix={prefix}&labeled_by={labeler}"
    return [
        listed("first page", "", "plain"),
        listed("page in the middle", f"&cursor={middle[0]}", "after", time=middle[1], id=middle[2]),
        listed("page at the end", f"&cursor={end[0]}", "after", time=end[1], id=end[2]),
        listed("unlabeled", "&status=unlabeled", "unlabeled"),
        listed("label", f"&label_id={label}", "label", label=label),
        listed("created within", "&created_within=30d", "recent", recent=recent),
        listed("name contains", f"&name_contains={needle}", "name", needle=needle),
        listed("name contains, rare", "&name_contains=0001234", "name", needle="0001234"),
        listed("path prefix", f"&path_prefix={prefix}", "path", prefix=prefix, end=prefix[:-1] + "0"),
        listed("labeled by", f"&labeled_by={labeler}", "labeler", labeler=labeler),
        listed(
            "the four combined",
            four,
            "four",
            label=label,
            recent=recent,
            prefix=prefix,
            end=prefix[:-1] + "0",
            labeler=labeler,
        ),
        listed("by size, descending", "&sort=-size", "size"),
        listed("by name", "&sort=name", "by_name"),
        listed("a year ago, labeled", f"&status=labeled&at={past.replace('+', '%2B')}", "past", past=past),
        Case("per-label counts", f"/v1/datasets/{seeded.dataset_id}/stats", {"page": "stats", **base}),
        Case("dashboard", f"/v1/datasets/{seeded.dataset_id}", {"page": "dashboard", **base}),
        Case(
            "neighbours",
            f"/v1/samples/{seeded.middle_id}/neighbours?label_id={label}",
            {"page": "neighbours", "sample": str(seeded.middle_id), "label": label},
        ),
        Case(
            "search conditions",
            f"/v1/datasets/{seeded.dataset_id}/search-conditions",
            {"page": "conditions", **base},
        ),
    ]


def _walk(client: httpx.Client, samples: str) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """Cursors, with the time and id that they stand for: of the page in the middle, and of the last but one."""
    found: list[tuple[str, str, str]] = []
    cursor, size = "", 1000
    while True:
        body = client.get(f"{samples}?limit={size}{cursor}").raise_for_status().json()
        if body["next_cursor"] is None:
            return found[len(found) // 2], found[-1]
        last = body["items"][-1]
        found.append((body["next_cursor"], last["created_at"], last["id"]))
        cursor = f"&cursor={body['next_cursor']}"


def _measure(client: httpx.Client, baseline: httpx.Client, case: Case, requests: int) -> Result:
    ours: list[float] = []
    raw: list[float] = []
    for number in range(requests + 5):
        for who, path, params, times in (
            (client, case.path, None, ours),
            (baseline, "/", case.raw, raw),
        ):
            began = time.perf_counter()
            answer = who.get(path, params=params) if params else who.get(path)
            took = (time.perf_counter() - began) * 1000
            answer.raise_for_status()
            if number >= 5:
                times.append(took)
    return Result(case.name, *_percentiles(ours), *_percentiles(raw))


def _percentiles(times: list[float]) -> tuple[float, float]:
    cuts = quantiles(times, n=20)
    return round(cuts[9], 2), round(cuts[18], 2)


# The baseline


_ORDER = "ORDER BY s.created_at, s.id LIMIT 51"
_SUMS = (
    "SELECT subject, day, sum(images), sum(objects) FROM (SELECT subject, day, images, objects FROM tallies"
    " WHERE dataset_id = %(dataset)s AND kind = '{kind}' UNION ALL SELECT subject, day, images, objects"
    " FROM tally_deltas WHERE dataset_id = %(dataset)s AND kind = '{kind}') x {more} GROUP BY 1, 2"
)
_LABEL_COUNTS = f"SELECT * FROM labels l JOIN ({_SUMS.format(kind='label', more='')}) c ON c.subject = l.id"
_LABELER_COUNTS = f"SELECT * FROM users u JOIN ({_SUMS.format(kind='labeler', more='')}) c ON c.subject = u.id"
_DAY_COUNTS = _SUMS.format(kind="labeler_day", more="WHERE day > now() - interval '30 days'")
_TOTALS = [_SUMS.format(kind="sample", more=""), _SUMS.format(kind="labeled", more="")]
_OWN = f"SELECT {COLUMNS} FROM samples s WHERE s.dataset_id = %(dataset)s AND s.trashed_at IS NULL"
_NAMED = (
    " AND EXISTS (SELECT FROM sample_paths p WHERE p.sample_id = s.id"
    " AND p.grams @> needle_grams(%(dataset)s, %(needle)s) AND strpos(p.folded_name, %(needle)s) > 0) "
)
_BELOW = ' AND s.object_key COLLATE "C" >= %(prefix)s AND s.object_key COLLATE "C" < %(end)s '
_OF_LABEL = (
    f"SELECT {COLUMNS} FROM samples s JOIN sample_labels l ON l.sample_id = s.id WHERE l.label_id = %(label)s"
    " AND s.trashed_at IS NULL"
)
_LABEL_ORDER = "ORDER BY l.created_at, l.sample_id LIMIT 51"
_AROUND = (
    "SELECT sample_id FROM sample_labels WHERE label_id = %(label)s AND (created_at, sample_id) {way}"
    " (SELECT created_at, id FROM samples WHERE id = %(sample)s) ORDER BY created_at {order}, sample_id {order}"
    " LIMIT 1"
)
_FOLDERS = (
    "WITH RECURSIVE f(d) AS ((SELECT directory FROM sample_paths WHERE dataset_id = %(dataset)s"
    " ORDER BY directory LIMIT 1) UNION ALL SELECT (SELECT directory FROM sample_paths WHERE"
    " dataset_id = %(dataset)s AND directory > f.d ORDER BY directory LIMIT 1) FROM f WHERE f.d IS NOT NULL)"
    " SELECT d FROM f WHERE d IS NOT NULL"
)
_POSTGRES = {"max_wal_size": "8GB", "shared_buffers": "1GB"}
RAW = {
    "plain": [f"{_OWN} {_ORDER}"],
    "after": [f"{_OWN} AND (s.created_at, s.id) > (%(time)s, %(id)s) {_ORDER}"],
    "unlabeled": [f"{_OWN} AND s.annotation_count = 0 {_ORDER}"],
    "label": [f"{_OF_LABEL} {_LABEL_ORDER}"],
    "recent": [f"{_OWN} AND s.created_at >= %(recent)s {_ORDER}"],
    "name": [f"{_OWN} {_NAMED} {_ORDER}"],
    "path": [f"{_OWN} {_BELOW} {_ORDER}"],
    "labeler": [f"{_OWN} AND s.labeled_by = %(labeler)s {_ORDER}"],
    "four": [
        f"{_OF_LABEL} AND s.created_at >= %(recent)s {_BELOW} AND s.labeled_by = %(labeler)s {_LABEL_ORDER}"
    ],
    "size": [f"{_OWN} ORDER BY s.size_bytes DESC, s.id DESC LIMIT 51"],
    "by_name": [f'{_OWN} ORDER BY s.name COLLATE "C", s.id LIMIT 51'],
    "past": [
        f"SELECT {COLUMNS} FROM samples s JOIN sample_states t ON t.sample_id = s.id"
        " AND t.begins_at <= %(past)s AND (t.ends_at IS NULL OR t.ends_at > %(past)s)"
        " WHERE s.dataset_id = %(dataset)s"
        f" AND s.trashed_at IS NULL AND t.annotation_count > 0 AND s.created_at <= %(past)s {_ORDER}"
    ],
    "stats": [*_TOTALS, _LABEL_COUNTS, _LABELER_COUNTS, _DAY_COUNTS],
    "dashboard": ["SELECT * FROM datasets WHERE id = %(dataset)s", *_TOTALS],
    "neighbours": [_AROUND.format(way="<", order="DESC"), _AROUND.format(way=">", order="ASC")],
    "conditions": [_LABEL_COUNTS, _LABELER_COUNTS, _FOLDERS],
}


def _serve_raw(port: int) -> None:
    """Answer `/?page=...` with the rows of one fixed SQL text each."""
    from flask import Flask, request  # noqa: PLC0415
    from gunicorn.app.base import BaseApplication  # noqa: PLC0415

    app = Flask("raw")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    connections: list[Any] = []

    @app.get("/")
    def page() -> Any:
        if not connections:
            connections.append(psycopg2.connect(os.environ["RAW_DATABASE"]))
            connections[0].autocommit = True
        values = request.args.to_dict()
        items: list[dict[str, Any]] = []
        for sql in RAW[values["page"]]:
            with connections[0].cursor() as cursor:
                cursor.execute(sql, values)
                names = [column.name for column in cursor.description]
                items += [dict(zip(names, row, strict=True)) for row in cursor]
        return {"items": items[: LIMIT if values["page"] not in {"stats", "conditions"} else None]}

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in {**_GUNICORN, "bind": f"127.0.0.1:{port}"}.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    sys.argv = ["raw"]
    Server().run()


_GUNICORN = {
    "workers": 1,
    "threads": 4,
    "worker_class": "gthread",
    "keepalive": 60,
    "control_socket_disable": True,
}


# Servers


@contextmanager
def _api(directory: Path, url: str) -> Iterator[str]:
    port = processes.free_port("127.0.0.1")
    environment = {
        **os.environ,
        "FOURPOINT_DATABASE_URL": url,
        "FOURPOINT_REDIS_URL": "redis://127.0.0.1:1/0",
        "FOURPOINT_STORAGE_URL": (directory / "objects").as_uri(),
        "FOURPOINT_SECRET_KEY": "a secret of the benchmark",
        "FOURPOINT_BIND": f"127.0.0.1:{port}",
        "FOURPOINT_API_WORKERS": "1",
        "FOURPOINT_API_THREADS": "4",
    }
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "fourpoint_api.wsgi:app",
        "--config=python:fourpoint_api.gunicorn_conf",
    ]
    with _running(command, environment, f"http://127.0.0.1:{port}", "/healthz"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _raw(address: str) -> Iterator[str]:
    port = processes.free_port("127.0.0.1")
    command = [sys.executable, __file__, "--serve-raw", str(port)]
    base = f"http://127.0.0.1:{port}"
    with _running(command, {**os.environ, "RAW_DATABASE": address}, base, "/none"):
        yield base


@contextmanager
def _running(command: list[str], environment: dict[str, str], base: str, path: str) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: httpx.get(base + path).status_code < 500)
        yield
    finally:
        process.terminate()
        process.wait()


def _until(answers: Callable[[], bool]) -> None:
    for _ in range(300):
        try:
            if answers():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("a server did not start")


# Output


def _report(results: list[Result], options: argparse.Namespace, seed_seconds: float) -> None:
    if options.json:
        document = {
            "samples": options.samples,
            "seed_seconds": round(seed_seconds, 1),
            "milliseconds": [{**asdict(one), "ratio": round(one.ratio, 2)} for one in results],
        }
        print(json.dumps(document, indent=2))
        return
    table = Table(title=f"{options.samples:,} samples; milliseconds over HTTP, one client")
    for column in ("", "p50", "p95", "raw p50", "raw p95", "ratio of p50"):
        table.add_column(column, justify="right" if column else "left")
    for one in results:
        numbers = (one.p50, one.p95, one.raw_p50, one.raw_p95)
        table.add_row(one.name, *(f"{number:.1f}" for number in numbers), f"{one.ratio:.2f}")
    Console().print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve-raw", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
