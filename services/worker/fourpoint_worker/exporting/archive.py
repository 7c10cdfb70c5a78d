"""A ZIP archive as a stream of bytes, in memory that does not grow with the number of files."""

import io
import pickle
import zipfile
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any, cast

from fourpoint_worker.formats.values import File

# The same content is to give the same bytes, whenever it is written.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEVEL = 3
_CHUNK_BYTES = 1 << 20
# Images are compressed already.
_STORED = (".jpg", ".jpeg", ".png", ".bmp")


def zipped(files: Iterable[File]) -> Iterator[bytes]:
    """The archive of the files, in their order."""
    out = _Pipe()
    # In this order: an archive that is broken off still reads the scratch file when it is closed.
    with TemporaryFile() as scratch, zipfile.ZipFile(cast(Any, out), "w", allowZip64=True) as archive:
        _keep_directory_on_disk(archive, scratch)
        for file in files:
            info = zipfile.ZipInfo(file.path, _EPOCH)
            stored = file.path.lower().endswith(_STORED)
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            info._compresslevel = _LEVEL  # type: ignore[attr-defined]
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=True) as member:
                for chunk in file.chunks:
                    member.write(chunk)
                    yield from out.taken()
            yield from out.taken()
        # The directory comes in one go, in small pieces: of 200,000 files they would take 100 MB.
        with TemporaryFile() as directory:
            out.to = directory
            archive.close()
            directory.seek(0)
            while chunk := directory.read(_CHUNK_BYTES):
                yield chunk


class _Pipe(io.RawIOBase):
    """What was written and not yet taken. It cannot be sought in, as a socket cannot."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        # Where what is written goes instead of being kept for whoever takes it.
        self.to: Any = None

    def writable(self) -> bool:
        """See RawIOBase."""
        return True

    def write(self, data: Any) -> int:
        """See RawIOBase."""
        if self.to is not None:
            self.to.write(data)
        else:
            self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            if data:
                yield data


def _keep_directory_on_disk(archive: zipfile.ZipFile, scratch: Any) -> None:
    """The archive's list of its files, some hundred bytes each, goes to a scratch file."""
    archive.filelist = cast(Any, _Directory(scratch))
    archive.NameToInfo = cast(Any, _Forgetful())


class _Directory:
    """As much of a list as ZipFile needs: appended to, then read once from the start."""

    def __init__(self, scratch: Any):
        self._scratch = scratch
        self._count = 0

    def append(self, info: zipfile.ZipInfo) -> None:
        pickle.dump(info, self._scratch)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        self._scratch.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._scratch)  # noqa: S301 - written by this process, to a file without a name


class _Forgetful(dict[str, Any]):
    """Paths of an export are unique, so nobody has to look for repetitions."""

    def __setitem__(self, key: str, value: Any) -> None:
        pass


class Reader(io.RawIOBase):
    """Chunks as the stream that object stores read. count: bytes given out so far."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._left = b""
        self.count = 0

    def readable(self) -> bool:
        """See RawIOBase."""
        return True

    def read(self, size: int = -1) -> bytes:
        """All that is asked for, less only at the end; a negative size asks for all."""
        pieces = [self._left]
        have = len(self._left)
        while size < 0 or have < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            pieces.append(chunk)
            have += len(chunk)
        data = b"".join(pieces)
        cut = len(data) if size < 0 else size
        self._left = data[cut:]
        self.count += len(data[:cut])
        return data[:cut]
