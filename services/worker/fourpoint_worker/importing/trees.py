"""Files to be imported: what lies below a path of the bucket, or in an archive; hostile ones are refused.

Nothing is unpacked to paths that an archive names: its files are read as streams, each no further than it says.
"""

import io
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from fourpoint_core.domain.text import is_text
from fourpoint_core.domain.transfers import RESERVED_FOLDERS
from fourpoint_core.errors import InvalidInputError, ObjectMissingError
from fourpoint_core.settings import GIBIBYTE, MEBIBYTE
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.port import validate_key
from fourpoint_worker.exporting.archive import Reader
from fourpoint_worker.formats.values import FileTree, FormatError

# The directory of an archive is read as a whole: some 50 to 100 bytes for each file.
MAX_DIRECTORY_BYTES = 32 * MEBIBYTE
MAX_FILES = 250_000
# Text shrinks to a twentieth, masks of one colour to a thousandth; a bomb to a millionth.
_UNPACKED_ALWAYS = GIBIBYTE
_UNPACKED_TIMES = 60
# Folders of the formats themselves, which are no wrapping.
_FOLDERS = {"annotations", "annotation", "images", "labels", "data", "train", "val", "test", "imagesets"}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Whatever zipfile makes of offsets and sizes that nobody vouches for.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_SCHEMES = ("s3://", "obs://", "s3a://", "file://")


class ImportTree(FileTree, Protocol):
    """A FileTree that knows which of its files are objects of the bucket."""

    def key_of(self, path: str) -> str | None:
        """The key of a file that is an object of the bucket; None for any other."""


class Bucket:
    """Objects by the addresses that files give for them.

    prefix: what stands before a key in an address of this bucket, `s3://bucket/`. closed: prefixes of keys that
    whoever imports may not see.
    """

    def __init__(self, store: ObjectStore, prefix: str, closed: frozenset[str]):
        self._store = store
        self._prefix = prefix
        self._closed = closed

    def key_of(self, address: str) -> str | None:
        """The key of an object of this bucket that may be read; None for any other address."""
        scheme = next((scheme for scheme in _SCHEMES if address.startswith(scheme)), None)
        if scheme is None:
            return None
        mine = self._prefix.partition("://")[2]
        rest = address.removeprefix(scheme)
        key = rest.removeprefix(mine)
        return key if rest.startswith(mine) and self.may_be_read(key) else None

    def may_be_read(self, key: str) -> bool:
        """Whether the key is one, and neither the service's own nor in a foreign dataset."""
        try:
            validate_key(key)
        except InvalidInputError:
            return False
        if key.startswith(RESERVED_FOLDERS):
            return False
        folders = key.split("/")
        return not any("/".join(folders[:depth]) + "/" in self._closed for depth in range(1, len(folders)))

    def exists(self, key: str) -> bool:
        """Whether there is an object; under a name that no store can have there is none."""
        try:
            return self._store.exists(key)
        except InvalidInputError:
            return False

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """The object as a stream. Raises FormatError where there is none."""
        try:
            with self._store.open_range(key) as chunks:
                yield cast(BinaryIO, Reader(chunks))
        except ObjectMissingError:
            raise FormatError("file_missing", f"The file {key} is gone from the bucket.") from None


class BucketTree:
    """See ImportTree: the objects below a prefix, or one of them, and whatever else they name in the bucket.

    The listing goes to a scratch file once, so that looking for a path asks nobody.
    """

    def __init__(self, bucket: Bucket, store: ObjectStore, path: str, scratch: Path):
        """path: a prefix with a slash at its end, or one key."""
        self._bucket = bucket
        self.folder = path[: path.rfind("/") + 1]
        self._connection = sqlite3.connect(scratch / "listing.db", isolation_level=None)
        self._connection.execute("CREATE TABLE files (path TEXT PRIMARY KEY) WITHOUT ROWID")
        self._connection.execute("BEGIN")
        found = (
            store.list(path) if path.endswith("/") else (info for info in store.list(path) if info.key == path)
        )
        self._connection.executemany(
            "INSERT INTO files VALUES (?)",
            (
                (info.key.removeprefix(self.folder),)
                for info in found
                if info.key != self.folder and self._bucket.may_be_read(info.key)
            ),
        )
        self._is_whole = path.endswith("/")

    def close(self) -> None:
        """The scratch file can go."""
        self._connection.close()

    def paths(self) -> Iterator[str]:
        """See FileTree."""
        return (path for (path,) in self._connection.execute("SELECT path FROM files ORDER BY path"))

    def has(self, path: str) -> bool:
        """See FileTree."""
        key = self._bucket.key_of(path)
        if key is not None:
            return self._bucket.exists(key)
        if self._is_listed(path):
            return True
        # Of one file the others are not listed, and it may name some that lie beside it.
        return (
            not self._is_whole
            and self._bucket.may_be_read(self.folder + path)
            and self._bucket.exists(self.folder + path)
        )

    def open(self, path: str) -> Any:
        """See FileTree."""
        return self._bucket.open(self.key_of(path))

    def key_of(self, path: str) -> str:
        """See ImportTree: every file is one."""
        return self._bucket.key_of(path) or self.folder + path

    def _is_listed(self, path: str) -> bool:
        if not is_text(path):
            return False
        found = self._connection.execute("SELECT 1 FROM files WHERE path = ?", (path,))
        return found.fetchone() is not None


class ArchiveTree:
    """See ImportTree: the files of a ZIP archive, or one file by itself, and what they name in the bucket."""

    def __init__(self, bucket: Bucket, file: BinaryIO, name: str, size: int):
        """name: of the file. size: its bytes. Raises FormatError for an archive that is none, or a trap."""
        self._bucket = bucket
        self._file = file
        self._name = name
        self._archive: zipfile.ZipFile | None = None
        self._root = ""
        if _is_archive(file):
            self._archive = _opened(file, size)
            self._root = _common_folder(self._archive)

    def paths(self) -> Iterator[str]:
        """See FileTree."""
        if self._archive is None:
            return iter([self._name])
        names = (info.filename for info in self._archive.infolist() if _is_file(info))
        return iter(sorted((name.removeprefix(self._root) for name in names), key=str.encode))

    def has(self, path: str) -> bool:
        """See FileTree."""
        if self._archive is None:
            found = path == self._name
        else:
            found = self._root + path in self._archive.NameToInfo and not path.endswith("/")
        if found:
            return True
        key = self._bucket.key_of(path)
        return key is not None and self._bucket.exists(key)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """See FileTree."""
        key = self.key_of(path)
        if key is not None:
            with self._bucket.open(key) as stream:
                yield stream
        elif self._archive is None:
            self._file.seek(0)
            yield self._file
        else:
            claimed = self._archive.getinfo(self._root + path).file_size
            with _damage_named(path):
                opened = self._archive.open(self._root + path)
            with opened as member:
                yield cast(BinaryIO, _Member(member, path, claimed))

    def key_of(self, path: str) -> str | None:
        """See ImportTree: what an archive itself holds is none."""
        if self._archive is not None and self._root + path in self._archive.NameToInfo:
            return None
        return self._bucket.key_of(path)


def _is_file(info: zipfile.ZipInfo) -> bool:
    """Neither a folder nor what macOS puts beside every file."""
    return not info.is_dir() and not info.filename.startswith("__MACOSX/")


def _common_folder(archive: zipfile.ZipFile) -> str:
    """The one folder that everything is in, as where somebody packed a folder instead of what it holds."""
    tops = {info.filename.partition("/")[0] + "/" for info in archive.infolist() if _is_file(info)}
    top = tops.pop() if len(tops) == 1 else ""
    is_folder = all(info.filename.startswith(top) for info in archive.infolist() if _is_file(info))
    return top if is_folder and top.rstrip("/").lower() not in _FOLDERS else ""


class _Member(io.RawIOBase):
    """A file of an archive, whose damage is named, and of which no more is unpacked than it claims to be."""

    def __init__(self, member: Any, path: str, claimed: int):
        self._member = member
        self._path = path
        self._left = claimed

    def readable(self) -> bool:
        """See RawIOBase."""
        return True

    def read(self, size: int = -1) -> bytes:
        """See RawIOBase. Raises FormatError."""
        with _damage_named(self._path):
            # zipfile unpacks as much as it is asked for, and cuts it off afterwards.
            data: bytes = self._member.read(self._left if size < 0 else min(size, self._left))
            self._left -= len(data)
            return data


@contextmanager
def _damage_named(path: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise FormatError("archive_damaged", f"{path} cannot be unpacked: {error}.") from None


def _is_archive(file: BinaryIO) -> bool:
    try:
        return zipfile.is_zipfile(file)
    except zipfile.BadZipFile:
        # It has the end of one, of several disks.
        return True


def _opened(file: BinaryIO, size: int) -> zipfile.ZipFile:
    # Before anything of the directory is read, however many files it claims.
    try:
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    except zipfile.BadZipFile as error:
        raise FormatError("archive_damaged", f"This is no ZIP archive: {error}.") from None
    if end and (end[zipfile._ECD_SIZE] > MAX_DIRECTORY_BYTES or end[zipfile._ECD_ENTRIES_TOTAL] > MAX_FILES):  # type: ignore[attr-defined]
        raise FormatError(
            "archive_too_large",
            f"An archive may have {MAX_FILES:,} files; put more into the bucket and import them from there.",
        )
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise FormatError("archive_damaged", f"This is no ZIP archive: {error}.") from None
    _refuse_traps(archive, size)
    return archive


def _refuse_traps(archive: zipfile.ZipFile, size: int) -> None:
    unpacked = packed = 0
    seen: set[str] = set()
    for info in archive.infolist():
        name = info.filename
        if not is_harmless(name.rstrip("/")):
            raise FormatError(
                "archive_path", f"The archive names the path {name[:200]!r}, which leads out of it."
            )
        if name in seen:
            raise FormatError("archive_repeated", f"The archive has {name[:200]!r} twice.")
        if info.compress_type not in _METHODS:
            # LZMA takes the memory that the file asks for: up to 4 GB.
            raise FormatError("archive_method", f"{name[:200]!r} is packed by another method than deflate.")
        if info.flag_bits & 1:
            raise FormatError("archive_encrypted", f"{name[:200]!r} is encrypted.")
        seen.add(name)
        unpacked += info.file_size
        packed += info.compress_size
    # Files that share their packed bytes are how a small archive becomes an enormous one.
    if packed > size or unpacked > max(_UNPACKED_ALWAYS, _UNPACKED_TIMES * size):
        raise FormatError("archive_bomb", f"The archive of {size:,} bytes would unpack to {unpacked:,}.")


def is_harmless(path: str) -> bool:
    """Whether a path stays below the folder it is written to, on every system."""
    if not path or "\\" in path or path.startswith("/") or ":" in path.split("/", 1)[0]:
        return False
    return all(part not in ("", ".", "..") for part in path.split("/")) and path.isprintable()
