"""The stream that an archive is written as."""

from collections.abc import Iterator

import pytest

from fourpoint_core.errors import StorageUnavailableError
from fourpoint_worker.exporting.archive import zipped
from fourpoint_worker.formats.values import File


def test_what_breaks_off_an_archive_is_told_as_it_is() -> None:
    def files() -> Iterator[File]:
        yield File("a.txt", [b"a"])
        raise StorageUnavailableError("away")

    with pytest.raises(StorageUnavailableError):
        list(zipped(files()))


def test_an_archive_that_nobody_takes_to_its_end_closes_quietly() -> None:
    stream = zipped([File("a.png", [b"a" * 100]), File("b.png", [b"b"])])
    next(stream)
    stream.close()
