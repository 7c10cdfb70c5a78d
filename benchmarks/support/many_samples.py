"""One large dataset, made by COPY, and kept in its directory for the next run.

What triggers would derive of each row is right by construction and copied as well; `fourpoint recount` then
holds it against the documents, and counts.
"""

import io
import json
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
from benchmarks.support.servers import psycopg2_address
from rich.console import Console
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.ids import new_id
from fourpoint_core.store import migrate
from fourpoint_core.store.queries import members, tallies, tokens
from fourpoint_core.store.session import sessions_for, unit_of_work
from fourpoint_standalone.recounting import recount

LABELS, LABELERS, FOLDERS, DAYS = 200, 50, 100, 730
WORDS = ("street", "harbour", "forest", "market", "bridge", "meadow", "station", "kitchen")
_NOTED = "seeded.json"


@dataclass(frozen=True)
class Drawn:
    """What is on each labeled image, of which three quarters are: so many objects, all of one shape.

    contour: JSON; box: around it; area: of it. width, height: of every image.
    """

    objects: int = 4
    contour: str = json.dumps({"parts": [{"outer": [[10, 10], [90, 10], [90, 70], [10, 70]], "holes": []}]})
    box: str = "[10, 10, 90, 70]"
    area: float = 4800
    width: int = 1920
    height: int = 1080


@dataclass(frozen=True)
class Seeded:
    """What requests can be about; start: when the first image came."""

    samples: int
    dataset_id: str
    label_id: str
    labeler_id: str
    middle_id: str
    start: str


def seeded(directory: Path, url: str, count: int, console: Console, drawn: Drawn = Drawn()) -> Seeded:
    """The dataset of `count` images; made where an earlier run has not left it in `directory`."""
    migrate.upgrade(url)
    noted = directory / _NOTED
    if noted.exists():
        found = Seeded(**json.loads(noted.read_text()))
        if found.samples != count:
            raise SystemExit(f"{directory} holds {found.samples:,} samples; remove it, or name another.")
        return found
    began = time.monotonic()
    made = _Seeding(psycopg2_address(url), count, console, drawn).run()
    console.print("recount")
    for finding in recount(url):
        # Counters are found empty, and filled. Anything else would be an image that was derived wrongly.
        if " images were found under " in finding:
            raise SystemExit(finding)
    _fold(url)
    _settle(psycopg2_address(url))
    console.print(f"seeded {count:,} samples in {time.monotonic() - began:.0f} s")
    noted.write_text(json.dumps(asdict(made)))
    return made


@contextmanager
def directory_for(kept: Path | None, name: str) -> Iterator[Path]:
    """The directory to be kept; or one of a run's own, which ends with it."""
    if kept is not None:
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix=f"fourpoint-{name}-") as directory:
        yield Path(directory)


def labeler_token(url: str, about: Seeded) -> str:
    """Of somebody who labels, as most callers are: an admin's role is not looked up."""
    labeler, dataset = UUID(about.labeler_id), UUID(about.dataset_id)
    with unit_of_work(sessions_for(create_engine(url, poolclass=NullPool))) as session:
        members.set_role(session, dataset, labeler, Role.LABELER)
        _, secret = tokens.add_token(session, labeler, "of the benchmark", Scope.LABEL, timedelta(days=1))
    return secret


class _Seeding:
    def __init__(self, address: str, count: int, console: Console, drawn: Drawn):
        self._address = address
        self._drawn = drawn
        self._count = count
        self._console = console
        self._chance = random.Random(7)
        self._start = datetime.now(UTC) - timedelta(days=DAYS)
        self._dataset_id = new_id()
        self._people = [new_id() for _ in range(LABELERS)]
        self._labels = [new_id() for _ in range(LABELS)]
        self._samples = [new_id() for _ in range(count)]
        self._objects: dict[int, list[UUID]] = {
            i: [self._chance.choice(self._labels) for _ in range(drawn.objects)] for i in range(count) if i % 4
        }

    def run(self) -> Seeded:
        connection = psycopg2.connect(self._address)
        with connection, connection.cursor() as cursor:
            people = ((one, f"labeler {i}") for i, one in enumerate(self._people))
            self._copy(cursor, "users", "id, name", people)
            dataset = (self._dataset_id, "Lists", "", "in/", self._people[0])
            self._copy(cursor, "datasets", "id, name, description, input_path, created_by", [dataset])
            labels = (
                (one, self._dataset_id, f"label {i}", "#3399ff", i + 1) for i, one in enumerate(self._labels)
            )
            self._copy(cursor, "labels", "id, dataset_id, name, colour, mask_index", labels)
            self._copy(
                cursor,
                "samples",
                "id, dataset_id, name, object_key, object_etag, digest, media_type, size_bytes, width, height,"
                " created_by, created_at, revision, annotation_count, labeled_by, labeled_at",
                self._sample_rows(),
            )
            # No checks and no triggers from here on: for millions of rows they would be most of the seeding.
            cursor.execute("SET session_replication_role = replica")
            self._copy(
                cursor,
                "revisions",
                "sample_id, number, action, author_id, created_at",
                (
                    (self._samples[i], 1, "replace", self._labeler(i), self._labeled_at(i))
                    for i in self._objects
                ),
            )
            self._copy(
                cursor,
                "annotations",
                "sample_id, annotation_id, valid_from, label_id, contour, bounding_box, area, method,"
                " created_by",
                self._annotation_rows(),
            )
            self._copy(
                cursor,
                "sample_states",
                "sample_id, revision, begins_at, annotation_count, labeled_by, label_ids, difficult,"
                " attribute_terms",
                self._state_rows(),
            )
            self._copy(
                cursor, "sample_labels", "sample_id, label_id, created_at, objects", self._sample_label_rows()
            )
        connection.close()
        middle = self._samples[self._count // 2]
        subjects = (self._dataset_id, self._labels[3], self._people[7], middle)
        return Seeded(self._count, *map(str, subjects), self._start.isoformat())

    def _copy(self, cursor: Any, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._console.print(table)
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", _Lines(rows), size=1 << 20)

    def _created_at(self, index: int) -> datetime:
        return self._start + timedelta(days=DAYS) * (index / self._count)

    def _labeled_at(self, index: int) -> datetime:
        return self._created_at(index) + timedelta(hours=1)

    def _labeler(self, index: int) -> UUID:
        return self._people[index % LABELERS]

    def _sample_rows(self) -> Iterator[tuple[Any, ...]]:
        for i, sample_id in enumerate(self._samples):
            name = f"{WORDS[i % len(WORDS)]}_{i:07d}.jpg"
            labeled = i in self._objects
            yield (
                sample_id,
                self._dataset_id,
                name,
                f"in/batch_{i * FOLDERS // self._count:02d}/{name}",
                "etag",
                f"{i:064x}",
                "image/jpeg",
                self._chance.randrange(10**4, 10**6),
                self._drawn.width,
                self._drawn.height,
                self._people[0],
                self._created_at(i),
                int(labeled),
                self._drawn.objects * labeled,
                self._labeler(i) if labeled else r"\N",
                self._labeled_at(i) if labeled else r"\N",
            )

    def _annotation_rows(self) -> Iterator[tuple[Any, ...]]:
        for i, labels in self._objects.items():
            for label_id in labels:
                object_id = UUID(int=self._chance.getrandbits(128))
                sample_id, author = self._samples[i], self._labeler(i)
                shape = (self._drawn.contour, self._drawn.box, self._drawn.area)
                yield (sample_id, object_id, 1, label_id, *shape, "polygon", author)

    def _state_rows(self) -> Iterator[tuple[Any, ...]]:
        for i, labels in self._objects.items():
            label_ids = "{" + ",".join(sorted(map(str, set(labels)))) + "}"
            state = (1, self._labeled_at(i), self._drawn.objects, self._labeler(i), label_ids)
            yield (self._samples[i], *state, False, "{}")

    def _sample_label_rows(self) -> Iterator[tuple[Any, ...]]:
        for i, labels in self._objects.items():
            for label_id in set(labels):
                yield (self._samples[i], label_id, self._created_at(i), labels.count(label_id))


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


def _fold(url: str) -> None:
    """As the sweep does all the time."""
    sessions = sessions_for(create_engine(url, poolclass=NullPool))
    folded = 1
    while folded:
        with unit_of_work(sessions) as session:
            folded = tallies.fold(session)


def _settle(address: str) -> None:
    connection = psycopg2.connect(address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    connection.close()
