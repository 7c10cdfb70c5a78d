"""Tables on disk for what a job must remember and memory must not hold."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def scratch_database(purpose: str) -> Iterator[sqlite3.Connection]:
    """An empty database that goes with the block; without journal, for it is worth nothing after a crash."""
    with TemporaryDirectory(prefix=f"fourpoint-{purpose}-") as directory:
        connection = sqlite3.connect(Path(directory) / f"{purpose}.db", isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
