"""A directory as object store: every object is the file of its name, so people can look in and drop files in.

What a file system cannot hold is refused with InvalidInputError: a key that continues another one (`a` beside
`a/b`), a segment over 255 bytes, and keys below the reserved directory `.fourpoint-tmp`. Names are otherwise
free, hidden ones too. Below the root, symbolic links are never followed: they do not exist for the store.
"""

import mimetypes
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from fourpoint_core.errors import ObjectMissingError, StorageUnavailableError
from fourpoint_core.storage.local_files import (
    DIRECTORY,
    RESERVED,
    FolderVanished,
    chunks,
    enter_or_make,
    fill,
    lock,
    name_file,
    reading,
    require_file,
    segments_of,
    translated,
)
from fourpoint_core.storage.port import (
    ExactReader,
    ObjectInfo,
    SignedPut,
    check_range,
    validate_prefix,
)

LIST_PAGE = 1000
# A deleted object takes its empty folder along, perhaps just when a writer wants to use it. Each loss of that
# race costs one more try; losing it this often means that something else removes the folders.
PUBLISH_ATTEMPTS = 100

# Inside the class, `list` is a method.
_Names = list[str]
_Page = list[ObjectInfo]


class LocalStore:
    """The port `ObjectStore` on a directory, shared by any number of processes of one machine.

    The ETag is the modification time in nanoseconds and the size, in hex: it costs nothing to list, and shows
    what people replace by hand. The content type is guessed from the name; what `put` is given is not kept.
    """

    def __init__(self, root: Path):
        """Make the directory if need be, and clear what killed writers left.

        Raises StorageUnavailableError.
        """
        self._root = root
        self._reserved = root / RESERVED
        with translated():
            self._reserved.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()

    @property
    def bucket(self) -> str | None:
        """See ObjectStore.bucket."""
        return None

    def same_bytes(self, etag: str, other_etag: str) -> bool | None:
        """See ObjectStore.same_bytes. Files of one size may be of one moment: archives keep whole seconds."""
        return None

    def put(
        self,
        key: str,
        data: bytes | BinaryIO,
        *,
        content_type: str,
        size: int | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """See ObjectStore.put."""
        segments = segments_of(key)
        source = ExactReader(BytesIO(data) if isinstance(data, bytes) else data, size)
        with self._temporary_file() as (name, file):
            fill(file, source)
            with translated():
                status = os.fstat(file)
                self._publish(name, segments, if_absent)
        return _info(key, status)

    def read(self, key: str) -> bytes:
        """See ObjectStore.read."""
        with self.open_range(key) as chunks:
            return b"".join(chunks)

    @contextmanager
    def open_range(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Iterator[bytes]]:
        """See ObjectStore.open_range. A replaced file is read on as it was."""
        check_range(start, length)
        file, _ = self._open(key)
        try:
            yield chunks(file, start, length)
        finally:
            os.close(file)

    def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore.stat."""
        file, status = self._open(key)
        os.close(file)
        return _info(key, status)

    def exists(self, key: str) -> bool:
        """See ObjectStore.exists."""
        try:
            self.stat(key)
        except ObjectMissingError:
            return False
        return True

    def delete(self, key: str) -> None:
        """See ObjectStore.delete. Folders that become empty go too: in a bucket there are none."""
        *folders, name = segments_of(key)
        with suppress(ObjectMissingError), reading(key), self._folder(folders) as folder:
            require_file(name, folder, key)
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)
            self._prune(folders)

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        """See ObjectStore.list. Holds the names of the folders on the way, and no file open between pages."""
        validate_prefix(prefix)
        return self._list(prefix, start_after or "")

    def signed_put(self, key: str, *, size: int, content_type: str, seconds: int) -> SignedPut | None:
        """See ObjectStore.signed_put."""
        return None

    def check(self) -> None:
        """See ObjectStore.check."""
        with translated():
            if not os.access(self._reserved, os.W_OK | os.X_OK):
                raise StorageUnavailableError(
                    f"The storage directory {self._root} is missing or not writable:"
                    " check FOURPOINT_STORAGE_URL."
                )

    # Writing

    @contextmanager
    def _temporary_file(self) -> Iterator[tuple[Path, int]]:
        """A new file on the store's file system; locked while its writer lives, so that nobody clears it."""
        with translated():
            name, file = self._create_locked()
        try:
            yield name, file
        finally:
            with suppress(FileNotFoundError):
                name.unlink()
            os.close(file)

    def _create_locked(self) -> tuple[Path, int]:
        while True:
            name = self._reserved / uuid.uuid4().hex
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            if lock(file) and os.fstat(file).st_nlink:
                return name, file
            # A clearing process got between these two lines.
            os.close(file)

    def _remove_leftovers(self) -> None:
        """Remove the files of writers that were killed: those that nobody holds locked."""
        for name in self._reserved.iterdir():
            with suppress(FileNotFoundError):
                file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
                if lock(file):
                    name.unlink()
                os.close(file)

    def _publish(self, temporary: Path, segments: _Names, if_absent: bool) -> None:
        """Give the finished file its name, in one step. Raises ObjectExistsError, InvalidInputError."""
        *folders, name = segments
        for _ in range(PUBLISH_ATTEMPTS):
            with suppress(FolderVanished), self._made_folder(folders) as folder:
                name_file(temporary, name, folder, if_absent)
                os.fsync(folder)
                return
        raise StorageUnavailableError(f"The folder of {'/'.join(segments)!r} keeps disappearing.")

    @contextmanager
    def _made_folder(self, folders: _Names) -> Iterator[int]:
        """The open folder, made with its parents where missing. Raises FolderVanished, InvalidInputError."""
        folder = self._open_root()
        try:
            for name in folders:
                inner = enter_or_make(folder, name)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _prune(self, folders: _Names) -> None:
        for depth in range(len(folders), 0, -1):
            try:
                with self._folder(folders[: depth - 1]) as parent:
                    os.rmdir(folders[depth - 1], dir_fd=parent)
            except OSError:
                # Not empty, or another process was faster.
                return

    def _open_root(self) -> int:
        try:
            # The root itself may well be a link, to another disk for instance.
            return os.open(self._root, DIRECTORY & ~os.O_NOFOLLOW)
        except OSError as error:
            # Not "no such object": a disk that is not mounted must not look like an empty bucket.
            raise StorageUnavailableError(f"The storage directory {self._root} cannot be opened.") from error

    # Reading

    @contextmanager
    def _folder(self, folders: _Names) -> Iterator[int]:
        """The open folder, reached without following a link. Raises what `os.open` raises."""
        folder = self._open_root()
        try:
            for name in folders:
                inner = os.open(name, DIRECTORY, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)

    def _open(self, key: str) -> tuple[int, os.stat_result]:
        """The object's open file. Raises ObjectMissingError."""
        *folders, name = segments_of(key)
        with reading(key), self._folder(folders) as folder:
            require_file(name, folder, key)
            # Not blocking: should a pipe have taken the file's place since, nobody may wait for its writer.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.open(name, flags, dir_fd=folder)
            return file, os.fstat(file)

    # Listing

    def _list(self, prefix: str, start_after: str) -> Iterator[ObjectInfo]:
        # The last element comes next. Folders end in "/", because `a-b` sorts before `a/b`, but after `a`.
        pending = [prefix[: prefix.rfind("/") + 1]]
        while pending:
            if pending[-1].endswith("/") or not pending[-1]:
                names = self._names(pending.pop())
                wanted = (name for name in names if _may_match(name, prefix, start_after))
                # Python compares text by code points, which is the order of the UTF-8 bytes.
                pending.extend(sorted(wanted, reverse=True))
            else:
                yield from self._page(_take_page(pending))

    def _names(self, folder_key: str) -> _Names:
        """Full keys of the files and folders (these with "/" at the end) in one folder."""
        if folder_key.startswith(f"{RESERVED}/"):
            return []
        folders, found = folder_key.split("/")[:-1], []
        with suppress(ObjectMissingError), reading(folder_key), self._folder(folders) as folder:
            found = _listed_names(folder, folder_key)
        return [folder_key + name for name in found if name]

    def _page(self, keys: _Names) -> _Page:
        """What is known about files of one folder, without those that are gone."""
        folder_key, found = keys[0][: keys[0].rfind("/") + 1], []
        folders = folder_key.split("/")[:-1]
        with suppress(ObjectMissingError), reading(folder_key), self._folder(folders) as folder:
            for key in keys:
                with suppress(FileNotFoundError):
                    status = os.lstat(key[len(folder_key) :], dir_fd=folder)
                    if stat.S_ISREG(status.st_mode):
                        found.append(_info(key, status))
        return found


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(
        key=key,
        size=status.st_size,
        etag=f"{status.st_mtime_ns:x}-{status.st_size:x}",
        last_modified=datetime.fromtimestamp(status.st_mtime_ns / 1e9, UTC),
        content_type=mimetypes.guess_type(key)[0],
    )


def _listed_names(folder: int, folder_key: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [_listed_name(entry, folder_key) for entry in entries]


def _listed_name(entry: os.DirEntry[str], folder_key: str) -> str:
    """The entry's name, with "/" if it is a folder; "" for what is no object."""
    if not folder_key and entry.name == RESERVED:
        return ""
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        # No UTF-8: no text, and so no key, can name this file.
        return ""
    if entry.is_dir(follow_symlinks=False):
        return entry.name + "/"
    return entry.name if entry.is_file(follow_symlinks=False) else ""


def _may_match(name: str, prefix: str, start_after: str) -> bool:
    """Whether a file is wanted, or a folder may hold files that are."""
    after = name > start_after or (name.endswith("/") and start_after.startswith(name))
    return after and name.startswith(prefix)


def _take_page(pending: list[str]) -> list[str]:
    """Take the next files of one folder from the end of `pending`."""
    folder = pending[-1].rpartition("/")[0]
    page: list[str] = []
    while pending and len(page) < LIST_PAGE and not pending[-1].endswith("/"):
        if pending[-1].rpartition("/")[0] != folder:
            break
        page.append(pending.pop())
    return page
