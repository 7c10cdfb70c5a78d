"""Archives that nobody vouches for: read as streams, no further than they say, and nothing beside them."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from typing import Any, cast

import pytest

from fourpoint_worker.formats.values import FormatError
from fourpoint_worker.importing.trees import ArchiveTree, Bucket, is_harmless

NOWHERE = Bucket(cast(Any, None), "s3://bucket/", frozenset())


def tree(data: bytes) -> ArchiveTree:
    return ArchiveTree(NOWHERE, io.BytesIO(data), "upload.zip", len(data))


def lying(size: int, claimed: int) -> bytes:
    """An archive of one file of zeros that claims another size than it unpacks to."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", bytes(size))
        (info,) = archive.filelist
        info.file_size = claimed
        info.CRC = zlib.crc32(bytes(claimed))
    return out.getvalue()


def test_a_file_that_unpacks_to_more_than_it_claims_is_read_no_further() -> None:
    made = tree(lying(64 * 2**20, 100))
    tracemalloc.start()
    with made.open("a.json") as stream:
        assert len(stream.read(2**30)) == 100
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_a_file_that_unpacks_to_less_than_it_claims_is_damaged() -> None:
    with (
        pytest.raises(FormatError, match="cannot be unpacked") as refused,
        tree(lying(100, 5000)).open("a.json") as stream,
    ):
        stream.read(2**20)
    assert refused.value.code == "archive_damaged"


def packed(method: int = zipfile.ZIP_DEFLATED) -> bytearray:
    """An archive of one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.json", b"[]" * 100)
    return bytearray(out.getvalue())


def several_disks() -> bytes:
    """The end of an archive of 64 bits that says it is one of several."""
    locator = b"PK\x06\x07" + struct.pack("<LQL", 1, 0, 2)
    return locator + b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, 46, 0xFFFFFFFF, 0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (several_disks(), "archive_damaged"),
        (packed(zipfile.ZIP_LZMA), "archive_method"),
        (packed(zipfile.ZIP_BZIP2), "archive_method"),
    ],
)
def test_an_archive_that_python_cannot_read_or_must_not_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(FormatError) as refused:
        tree(bytes(data))
    assert refused.value.code == code


@pytest.mark.parametrize("offset", [2**31, 2**32 - 2, 90])
def test_a_file_that_begins_where_none_does_is_damaged(offset: int) -> None:
    data = packed()
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 42, offset)
    with pytest.raises(FormatError) as refused, tree(bytes(data)).open("a.json") as stream:
        stream.read(10)
    assert refused.value.code == "archive_damaged"


@pytest.mark.parametrize(
    "path",
    ["../a", "a/../../b", "/etc/passwd", "a//b", "./a", "..", "a\\b", "C:/a", "C:a", "a\nb", "a\0b", ""],
)
def test_a_path_that_leads_elsewhere_is_none_for_a_file(path: str) -> None:
    assert not is_harmless(path)


@pytest.mark.parametrize("path", ["a", "a/b.jpg", "架子/茶 杯.jpg", "a/.hidden", "a...b", "b/12:30"])
def test_a_path_that_stays_below_its_folder_is_harmless(path: str) -> None:
    assert is_harmless(path)
