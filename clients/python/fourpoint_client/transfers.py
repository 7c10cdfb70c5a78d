"""Files that go to the service and come from it, as flows: see `flows`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import httpx

from fourpoint_client import calls
from fourpoint_client.flows import Flow, Retrying, result, send
from fourpoint_client.models import DirectUpload, SlotRequest, Upload, UploadedSample
from fourpoint_client.progress import Counted, Listener
from fourpoint_client.requests import Get, Put

# The limits of the service for one upload, where its operator has set no others.
BATCH_BYTES = 8 * 2**20
BATCH_FILES = 1000
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
_PIECE_BYTES = 2**20
# What a slot may be for, by the end of a file's name.
_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".bmp": "image/bmp",
    ".json": "application/json",
    ".manifest": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".xml": "application/xml",
    ".zip": "application/zip",
}


def upload(
    dataset_id: str, files: Path | Iterable[Path], on_progress: Listener, retrying: Retrying
) -> Flow[list[UploadedSample]]:
    """Store images in batches of which each is stored whole or not at all."""
    paths = images_in(files)
    counted = Counted(len(paths), _size(paths), on_progress)
    stored: list[UploadedSample] = []
    for batch in batches(paths):
        store = _past_the_api if _size(batch) > BATCH_BYTES else _through_the_api
        stored += yield from store(dataset_id, batch, counted, retrying)
    return stored


def hand_over(dataset_id: str, file: Path, on_progress: Listener, retrying: Retrying) -> Flow[DirectUpload]:
    """Send one file to the object store, for an import. Raises ValueError where none of its kind is taken."""
    counted = Counted(1, file.stat().st_size, on_progress)
    return (yield from _sent_to_slots(dataset_id, [file], counted, retrying))


def download(address: str, to: Path, on_progress: Listener, retrying: Retrying) -> Flow[None]:
    """Bring what lies at a signed address into a file, which is there whole or not at all.

    Where the connection breaks, what has come is kept and the rest asked for.
    """
    part = to.with_name(to.name + ".part")
    try:
        with part.open("wb") as file:
            counted = Counted(1, 0, on_progress)
            yield from send(Get(address, _Part(file, counted)), retrying)
            counted.add(files=1)
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def _through_the_api(
    dataset_id: str, batch: Sequence[Path], counted: Counted, retrying: Retrying
) -> Flow[list[UploadedSample]]:
    files = [(path.name, path.read_bytes()) for path in batch]
    stored = cast(Upload, (yield from result(calls.upload_samples(dataset_id, files), retrying)))
    counted.add(files=len(batch), size=_size(batch))
    return stored["items"]


def _past_the_api(
    dataset_id: str, batch: Sequence[Path], counted: Counted, retrying: Retrying
) -> Flow[list[UploadedSample]]:
    made = yield from _sent_to_slots(dataset_id, batch, counted, retrying)
    return (yield from result(calls.register_upload(dataset_id, made["id"]), retrying))["items"]


def _sent_to_slots(
    dataset_id: str, paths: Sequence[Path], counted: Counted, retrying: Retrying
) -> Flow[DirectUpload]:
    wanted = [_slot_for(path) for path in paths]
    made = yield from result(calls.create_upload(dataset_id, {"files": wanted}), retrying)
    for slot, path in zip(made["files"], paths, strict=True):
        headers = {**slot["headers"], "Content-Length": str(slot["size_bytes"])}
        yield from send(Put(slot["url"], headers, _Pieces(path, counted)), retrying)
        counted.add(files=1)
    return made


def _slot_for(path: Path) -> SlotRequest:
    kind = _TYPES.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path.name} does not end with {', '.join(_TYPES)}.")
    return cast(SlotRequest, {"name": path.name, "size_bytes": path.stat().st_size, "content_type": kind})


class _Pieces:
    """The bytes of a file, counted as they are taken."""

    def __init__(self, path: Path, counted: Counted):
        self._path = path
        self._counted = counted
        self._taken = 0

    def __iter__(self) -> Iterator[bytes]:
        self._count(-self._taken)
        with self._path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
                self._count(len(piece))

    def _count(self, size: int) -> None:
        self._taken += size
        self._counted.add(size=size)


class _Part:
    """See Growing: a file that goes on where it has ended, as long as the same lies at the address."""

    def __init__(self, file: BinaryIO, counted: Counted):
        self._file = file
        self._counted = counted
        self._tag: str | None = None

    def wanted(self) -> Mapping[str, str]:
        # Bytes are counted as they lie there, and a packed answer could not be gone on with.
        plain = {"Accept-Encoding": "identity"}
        has_come = self._file.tell()
        if not has_come or self._tag is None:
            return plain
        return {**plain, "Range": f"bytes={has_come}-", "If-Range": self._tag}

    def begin(self, answer: httpx.Response) -> None:
        self._tag = answer.headers.get("ETag")
        if answer.status_code != httpx.codes.PARTIAL_CONTENT:
            self._counted.add(size=-self._file.tell())
            self._file.seek(0)
            self._file.truncate()
        self._counted.expect(self._file.tell() + int(answer.headers.get("Content-Length", 0)))

    def take(self, piece: bytes) -> None:
        self._file.write(piece)
        self._counted.add(size=len(piece))


def images_in(files: Path | Iterable[Path]) -> list[Path]:
    """The images of a folder by name, or the files themselves."""
    if not isinstance(files, Path):
        return list(files)
    if files.is_file():
        return [files]
    return sorted(path for path in files.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Files in groups that one request may carry, and by itself what is too large for one."""
    batch: list[Path] = []
    size = 0
    for path in paths:
        more = path.stat().st_size
        if batch and (size + more > BATCH_BYTES or len(batch) == BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += more
    if batch:
        yield batch


def _size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)
