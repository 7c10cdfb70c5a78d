"""Steps on files and folders that a directory as object store is made of: opened without following links, and
written whole before they have a name. What the operating system refuses becomes an error of the domain.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fourpoint_core.errors import InvalidInputError, StorageUnavailableError
from fourpoint_core.storage.port import CHUNK_BYTES, ExactReader, ObjectExistsError, missing, validate_key

RESERVED = ".fourpoint-tmp"
MAX_SEGMENT_BYTES = 255

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_OBJECT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR}
_BAD_NAME = {errno.ENAMETOOLONG, errno.EILSEQ}


class FolderVanished(Exception):  # noqa: N818 - a signal between two functions
    """Another process removed the folder because it was empty."""


def segments_of(key: str) -> list[str]:
    """Folders and file of a key. Raises InvalidInputError where a directory cannot hold it."""
    segments = validate_key(key).split("/")
    if segments[0] == RESERVED:
        raise InvalidInputError(f"Keys below {RESERVED!r} are reserved.")
    if any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        raise InvalidInputError(
            f"A directory holds names of at most {MAX_SEGMENT_BYTES} bytes between two slashes: {key!r}."
        )
    return segments


@contextmanager
def reading(key: str) -> Iterator[None]:
    """As `translated`, where "no such file" means that there is no such object."""
    with translated():
        try:
            yield
        except OSError as error:
            if error.errno in _NO_OBJECT:
                raise missing(key) from error
            raise


@contextmanager
def translated() -> Iterator[None]:
    """What the operating system refuses, as errors of the domain."""
    try:
        yield
    except OSError as error:
        if error.errno in _BAD_NAME:
            raise InvalidInputError("The storage directory cannot hold a name that is this long.") from error
        raise StorageUnavailableError(f"The storage directory failed: {error.strerror}.") from error


def enter_or_make(folder: int, name: str) -> int:
    """The open folder of that name, made where missing. Raises FolderVanished, InvalidInputError."""
    try:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
            os.fsync(folder)
        return os.open(name, DIRECTORY, dir_fd=folder)
    except FileNotFoundError as error:
        raise FolderVanished from error
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            raise _occupied(name) from error
        raise


def _occupied(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name!r} is an object and cannot be a folder as well, or the other way round: a storage directory"
        " cannot hold both `a` and `a/b`."
    )


def require_file(name: str, folder: int, key: str) -> None:
    """Raises ObjectMissingError where it is none, a link for instance."""
    if not stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
        raise missing(key)


def name_file(temporary: Path, name: str, folder: int, if_absent: bool) -> None:
    """Give a file its name in a folder. Raises ObjectExistsError, InvalidInputError, FolderVanished."""
    try:
        if if_absent:
            os.link(temporary, name, dst_dir_fd=folder)
        else:
            os.replace(temporary, name, dst_dir_fd=folder)
    except FileExistsError as error:
        if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
            raise _occupied(name) from error
        raise ObjectExistsError(f"There already is an object {name!r}.") from error
    except IsADirectoryError as error:
        raise _occupied(name) from error
    except FileNotFoundError as error:
        raise FolderVanished from error


def fill(file: int, source: ExactReader) -> None:
    """Write the stream, and have it on the disk before it gets a name.

    Errors of the source itself pass through.
    """
    while chunk := source.read(CHUNK_BYTES):
        with translated():
            _write_fully(file, chunk)
    with translated():
        # Before Linux 6.13 the kernel stamps files in steps of milliseconds; the ETag must tell apart what
        # is written within one.
        now = time.time_ns()
        os.utime(file, ns=(now, now))
        os.fsync(file)


def _write_fully(file: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(file, rest) :]


def lock(file: int) -> bool:
    """Whether it is ours now, and not somebody else's."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def chunks(file: int, start: int, length: int | None) -> Iterator[bytes]:
    """Bytes of an open file; see ObjectStore.open_range."""
    position, end = start, None if length is None else start + length
    while end is None or position < end:
        amount = CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - position)
        with translated():
            chunk = os.pread(file, amount, position)
        if not chunk:
            return
        position += len(chunk)
        yield chunk
