"""What a dry run would have saved, on disk: what a file says twice is counted as a real run counts it."""

import pickle
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from fourpoint_core.domain.annotations import Content
from fourpoint_worker.scratch import scratch_database


class Foresight:
    """Documents as they would be by now, by sample."""

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection
        connection.execute("CREATE TABLE documents (sample_id BLOB PRIMARY KEY, contents BLOB) WITHOUT ROWID")

    def document(self, sample_id: UUID) -> Mapping[UUID, Content] | None:
        """The objects that an image would have, by id; None where the run has saved none."""
        found = self._connection.execute(
            "SELECT contents FROM documents WHERE sample_id = ?", (sample_id.bytes,)
        ).fetchone()
        if found is None:
            return None
        contents: Sequence[Content] = pickle.loads(found[0])  # noqa: S301 - written by this process
        return {content.id: content for content in contents}

    def keep(self, sample_id: UUID, contents: Sequence[Content]) -> None:
        """These are the objects of the image from now on."""
        row = (sample_id.bytes, pickle.dumps(list(contents), pickle.HIGHEST_PROTOCOL))
        self._connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", row)


@contextmanager
def foresight() -> Iterator[Foresight]:
    """Goes with the block, and with the process at the latest."""
    with scratch_database("foresight") as connection:
        yield Foresight(connection)
