"""What is exported, on disk: read once from the database, gone through as often as a format needs.

The transaction that reads it lasts as long as reading takes, and no longer: writing files, and waiting for the
object store, go on from here. Memory does not grow with the number of images.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import contour_from_json
from fourpoint_core.store.models import Label
from fourpoint_core.store.queries.exports import Drawn, Exported
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    ExportLabel,
    Notes,
    stem_of,
)

_ROWS_AT_ONCE = 500


class Snapshot:
    """See ExportSource. `load` it, deal it out with `deal`, then go through it."""

    def __init__(self, connection: sqlite3.Connection, name: str, root: str):
        """name: of the dataset, or of a version that is published; root: see ExportSource."""
        self.name = name
        self.dataset = name
        self.root = root
        self.labels: Sequence[ExportLabel] = ()
        self.count = 0
        # How far whoever goes through the images has come.
        self.position = 0
        self.label_counts: Counter[int] = Counter()
        self._parts: Sequence[str] = ("",)
        self._by_index: dict[int, ExportLabel] = {}
        self._connection = connection
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -8192")
        connection.execute(
            "CREATE TABLE images (number INTEGER PRIMARY KEY, path TEXT, id TEXT, body TEXT, labels TEXT, "
            "stem TEXT NOT NULL DEFAULT '', usage TEXT NOT NULL DEFAULT '')"
        )
        connection.execute("BEGIN")

    def load(
        self,
        labels: Iterable[Label],
        documents: Iterable[tuple[Exported, list[Drawn]]],
        input_path: str,
        address: str,
        notes: Notes,
    ) -> None:
        """Take everything in. input_path: of the dataset, which no path needs to repeat.

        address: what stands before an object's key in its address.
        """
        known = {label.id: label for label in labels}
        for some in _slices(documents):
            rows = [self._row(sample, drawn, known, input_path, address) for sample, drawn in some]
            self._connection.executemany(
                "INSERT INTO images (path, id, body, labels) VALUES (?, ?, ?, ?)", rows
            )
            self.count += len(rows)
        self._connection.execute("CREATE INDEX by_path ON images (path)")
        self._keep_labels(known)
        self._name_stems(notes)

    def _row(
        self,
        sample: Exported,
        drawn: list[Drawn],
        known: dict[UUID, Label],
        input_path: str,
        address: str,
    ) -> tuple[str, str, str, str]:
        indices = [known[each.label_id].mask_index for each in drawn]
        self.label_counts.update(set(indices))
        body = {
            "width": sample.width,
            "height": sample.height,
            "location": address + sample.object_key,
            "key": sample.object_key,
            "digest": sample.known_sha256 or sample.digest,
            "size": sample.size_bytes,
            "labeled_at": None if sample.labeled_at is None else f"{sample.labeled_at:%Y-%m-%d %H:%M:%S}",
            "objects": [
                [
                    str(each.annotation_id),
                    index,
                    each.contour,
                    each.attributes,
                    [each.visible, each.z_order, each.difficult, each.occluded, each.truncated],
                    each.score,
                    each.method,
                ]
                for each, index in zip(drawn, indices, strict=True)
            ],
        }
        path = sample.object_key.removeprefix(input_path)
        return path, str(sample.id), json.dumps(body), json.dumps(sorted(set(indices)))

    def _keep_labels(self, known: dict[UUID, Label]) -> None:
        """Those that are in use, and those that are deleted but still on an image."""
        self.labels = [
            ExportLabel(label.name, label.colour, label.mask_index)
            for label in sorted(known.values(), key=lambda one: one.mask_index)
            if label.deleted_at is None or self.label_counts[label.mask_index]
        ]
        self._by_index = {label.mask_index: label for label in self.labels}

    def _name_stems(self, notes: Notes) -> None:
        """Give images that share their path but for the extension stems that differ."""
        self._connection.execute("CREATE TABLE stems (stem TEXT PRIMARY KEY) WITHOUT ROWID")
        changes = []
        for number, path in self._connection.execute("SELECT number, path FROM images ORDER BY path"):
            stem = stem_of(path)
            while not self._connection.execute("INSERT OR IGNORE INTO stems VALUES (?)", (stem,)).rowcount:
                stem = path if stem == stem_of(path) else stem + "_"
            if stem != stem_of(path):
                changes.append((stem, number))
                notes.add("stem_changed", f"{path} shares its name without extension with another image.")
        self._connection.executemany("UPDATE images SET stem = ? WHERE number = ?", changes)
        self._connection.execute("DROP TABLE stems")

    def content(self) -> str:
        """SHA-256, hex, of everything that an export shows of this."""
        digest = hashlib.sha256(repr((self.name, self.root, self.labels)).encode())
        for row in self._connection.execute("SELECT path, id, body FROM images ORDER BY path"):
            digest.update("\0".join(row).encode())
        return digest.hexdigest()

    def deal(self, parts: Sequence[str], usages: Iterator[str]) -> None:
        """Say which part of a split each image belongs to, in the order of `strata`."""
        self._parts = parts
        numbers = self._connection.execute("SELECT number FROM images ORDER BY path").fetchall
        self._connection.executemany(
            "UPDATE images SET usage = ? WHERE number = ?",
            ((usage, number) for usage, (number,) in zip(usages, numbers(), strict=True)),
        )

    def label_sets(self) -> Iterator[tuple[str, list[int]]]:
        """Id and label indices of every image, in the order of the paths."""
        for sample_id, found in self._connection.execute("SELECT id, labels FROM images ORDER BY path"):
            yield sample_id, json.loads(found)

    def usages(self) -> Sequence[str]:
        """See ExportSource."""
        return self._parts

    def images(self) -> Iterator[ExportedImage]:
        """See ExportSource."""
        for path, sample_id, said, stem, usage in self._rows():
            yield ExportedImage(
                id=sample_id,
                path=path,
                width=said["width"],
                height=said["height"],
                objects=tuple(map(self._object, said["objects"])),
                location=said["location"],
                digest=said["digest"],
                size_bytes=said["size"],
                usage=usage,
                labeled_at=said["labeled_at"],
                own_stem=stem,
            )

    def images_with_keys(self) -> Iterator[tuple[ExportedImage, str]]:
        """Every image, without its objects, and the key of its bytes."""
        for path, sample_id, said, stem, usage in self._rows():
            image = ExportedImage(sample_id, path, said["width"], said["height"], usage=usage, own_stem=stem)
            yield image, said["key"]

    def _rows(self) -> Iterator[tuple[str, str, dict[str, Any], str, str]]:
        statement = "SELECT path, id, body, stem, usage FROM images ORDER BY path"
        for number, (path, sample_id, body, stem, usage) in enumerate(self._connection.execute(statement), 1):
            self.position = number
            yield path, sample_id, json.loads(body), stem, usage

    def _object(self, said: list[Any]) -> ExportedObject:
        annotation_id, index, contour, attributes, traits, score, method = said
        visible, z_order, difficult, occluded, truncated = traits
        return ExportedObject(
            annotation_id,
            self._by_index[index],
            contour_from_json(json.loads(contour)),
            Traits(attributes, visible, z_order, difficult, occluded, truncated),
            score,
            method,
        )


@contextmanager
def snapshot(name: str, root: str) -> Iterator[Snapshot]:
    """An empty one, which goes with the block."""
    with TemporaryDirectory(prefix="fourpoint-export-") as directory:
        connection = sqlite3.connect(Path(directory) / "snapshot.db", isolation_level=None)
        try:
            yield Snapshot(connection, name, root)
        finally:
            connection.close()


def _slices(
    documents: Iterable[tuple[Exported, list[Drawn]]],
) -> Iterator[list[tuple[Exported, list[Drawn]]]]:
    some: list[tuple[Exported, list[Drawn]]] = []
    for document in documents:
        some.append(document)
        if len(some) == _ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some
