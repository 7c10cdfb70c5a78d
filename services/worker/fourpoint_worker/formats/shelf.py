"""A scratch file for formats that keep images and their objects apart: grouped on disk, not in memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from fourpoint_worker.scratch import scratch_database

_ROWS_AT_ONCE = 2000


class Shelf:
    """Texts of images, and of the objects that belong to each, in the order of their file."""

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection
        connection.execute("CREATE TABLE images (key TEXT PRIMARY KEY, line INTEGER, text TEXT) WITHOUT ROWID")
        connection.execute("CREATE TABLE sequence (position INTEGER PRIMARY KEY, key TEXT)")
        connection.execute(
            "CREATE TABLE objects (position INTEGER PRIMARY KEY, image TEXT, line INTEGER, text TEXT)"
        )
        self._pending: list[tuple[str, int, str]] = []

    def add_image(self, key: str, line: int, text: str) -> bool:
        """Keep an image; False where its key was there before."""
        added = self._connection.execute("INSERT OR IGNORE INTO images VALUES (?, ?, ?)", (key, line, text))
        if added.rowcount:
            self._connection.execute("INSERT INTO sequence (key) VALUES (?)", (key,))
        return bool(added.rowcount)

    def add_object(self, image: str, line: int, text: str) -> None:
        """Keep an object of an image, which may come later in the file."""
        self._pending.append((image, line, text))
        if len(self._pending) >= _ROWS_AT_ONCE:
            self._flush()

    def close_lists(self) -> None:
        """All has been added."""
        self._flush()
        self._connection.execute("CREATE INDEX by_image ON objects (image, position)")

    def images(self) -> Iterator[tuple[str, int, str]]:
        """Key, line and text of every image."""
        yield from self._connection.execute(
            "SELECT key, line, text FROM sequence JOIN images USING (key) ORDER BY position"
        )

    def objects(self, image: str) -> Iterator[tuple[int, str]]:
        """Line and text of the objects of an image."""
        yield from self._connection.execute(
            "SELECT line, text FROM objects WHERE image = ? ORDER BY position", (image,)
        )

    def strays(self) -> Iterator[tuple[str, int]]:
        """Image and line of the objects whose image is not there."""
        yield from self._connection.execute(
            "SELECT image, line FROM objects WHERE image NOT IN (SELECT key FROM images) ORDER BY position"
        )

    def _flush(self) -> None:
        self._connection.executemany("INSERT INTO objects (image, line, text) VALUES (?, ?, ?)", self._pending)
        self._pending.clear()


@contextmanager
def shelf() -> Iterator[Shelf]:
    """A shelf that goes with the block, and with the process at the latest."""
    with scratch_database("shelf") as connection:
        yield Shelf(connection)
