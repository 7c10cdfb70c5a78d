"""Direct uploads: slots, the bytes that come into them, and the samples they become; no HTTP.

What is written lies apart from every dataset until it is registered: then each file is read and checked as in
an ordinary upload, and stored under the dataset's input path. Who writes into a slot later, or reads while
somebody writes, finds other bytes than those that were checked, and nothing is stored. What is left over goes
with the sweep, once nobody can write any more.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO
from uuid import UUID

from fourpoint_api.resources.samples import uploads
from fourpoint_api.resources.samples.uploads import Checked, Stored, UploadedFile
from fourpoint_api.settings import ApiSettings
from fourpoint_core.errors import (
    BatchTooLargeError,
    ConflictError,
    FieldError,
    FileTooLargeError,
    FourpointError,
    InvalidInputError,
    ObjectMissingError,
    StorageUnavailableError,
)
from fourpoint_core.ids import new_id
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.imaging.inspect import SUFFIXES
from fourpoint_core.settings import MEBIBYTE
from fourpoint_core.storage import ObjectStore, SignedPut
from fourpoint_core.storage.staging import staged_key, staged_keys
from fourpoint_core.store.models import Dataset, DirectUpload, Sample
from fourpoint_core.store.queries import datasets
from fourpoint_core.store.queries import uploads as queries
from fourpoint_core.store.session import Session, Sessions, note_result, reading, unit_of_work

# What one request can read and decode while its client waits.
MAX_FILES = 200
# What becomes no image, but is imported.
IMPORTED_TYPES = ("application/json", "application/x-ndjson", "application/xml", "application/zip")
FILE_TYPES = sorted([*SUFFIXES, *IMPORTED_TYPES])
MAX_BYTES = 256 * MEBIBYTE
SECONDS = 3600
Refusal = tuple[FourpointError, FieldError]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """A file that a client wants to write; the name is the client's."""

    name: str
    size: int
    content_type: str


def create(
    sessions: Sessions, settings: ApiSettings, dataset_id: UUID, files: Sequence[SlotRequest], author: UUID
) -> DirectUpload:
    """Open slots for the files. Raises NotFoundError, FileTooLargeError or BatchTooLargeError."""
    _check_sizes(files, settings)
    rows = [{"name": x.name, "size_bytes": x.size, "content_type": x.content_type} for x in files]
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        upload = queries.open_slots(session, new_id(), dataset_id, author, rows, SECONDS)
        note_result(session, {"upload_id": str(upload.id)})
    return upload


def read(sessions: Sessions, dataset_id: UUID, upload_id: UUID) -> DirectUpload:
    """An upload. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return queries.get_upload(session, dataset_id, upload_id)


def signed(store: ObjectStore, upload: DirectUpload) -> list[SignedPut | None]:
    """Where each file is to be written; None where the store takes no requests, and we do."""
    return [
        store.signed_put(
            staged_key(upload.id, index),
            size=file["size_bytes"],
            content_type=file["content_type"],
            seconds=SECONDS,
        )
        for index, file in enumerate(upload.files)
    ]


def receive(store: ObjectStore, upload: DirectUpload, index: int, data: BinaryIO) -> None:
    """Write a slot's file, whole or not at all. Raises ConflictError or InvalidInputError."""
    if upload.sample_ids is not None:
        raise ConflictError("The upload has been registered; what comes now would be lost.")
    file = upload.files[index]
    store.put(staged_key(upload.id, index), data, content_type=file["content_type"], size=file["size_bytes"])


def register(
    sessions: Sessions,
    store: ObjectStore,
    decoder: Decoder,
    settings: ApiSettings,
    dataset_id: UUID,
    upload_id: UUID,
    author: UUID,
    go_on: Callable[[], None],
) -> list[Stored]:
    """Make samples of the files, all or none; done again, it answers with the same samples.

    go_on: called before each file is read, and raises where nobody wants it any more. Raises NotFoundError, or
    an error that names every file that is missing or bad.
    """
    with unit_of_work(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id)
        upload = queries.get_upload(session, dataset_id, upload_id)
    if upload.sample_ids is not None:
        return uploads.stored_before(sessions, {"samples": upload.sample_ids})
    try:
        stored = _store(sessions, store, decoder, settings, dataset, upload, author, go_on)
    except FourpointError:
        # Somebody may have registered it meanwhile, and removed the files from under our hands.
        upload = read(sessions, dataset_id, upload_id)
        if upload.sample_ids is None:
            raise
        return uploads.stored_before(sessions, {"samples": upload.sample_ids})
    _clear(store, upload)
    return stored


def _store(
    sessions: Sessions,
    store: ObjectStore,
    decoder: Decoder,
    settings: ApiSettings,
    dataset: Dataset,
    upload: DirectUpload,
    author: UUID,
    go_on: Callable[[], None],
) -> list[Stored]:
    found: list[Checked | Refusal] = []
    for index in range(len(upload.files)):
        go_on()
        found.append(_examine(store, decoder, settings, upload, index))
    checked = uploads.require_all(found)
    with unit_of_work(sessions) as session:
        known = queries.duplicates(session, dataset.id, {item.digest for item in checked})

    def finish(session: Session, rows: list[Sample]) -> None:
        locked = queries.get_upload(session, dataset.id, upload.id, lock=True)
        if locked.sample_ids is not None:
            raise ConflictError("The upload has just been registered by another request.")
        locked.sample_ids = uploads.ids_noted(known, rows)
        note_result(session, {"samples": locked.sample_ids})
        session.flush()

    rows = uploads.store_checked(sessions, store, dataset, checked, author, finish)
    return [uploads.stored(row, known) for row in rows]


def _check_sizes(files: Sequence[SlotRequest], settings: ApiSettings) -> None:
    large = [
        FieldError(f"/files/{index}/size_bytes", FileTooLargeError.code, _too_large(file, settings))
        for index, file in enumerate(files)
        if file.size > _limit(file, settings)
    ]
    if large:
        raise FileTooLargeError(large[0].detail, large)
    total = sum(file.size for file in files if file.content_type not in IMPORTED_TYPES)
    if total > MAX_BYTES:
        raise BatchTooLargeError(f"The files have {total:,} bytes in all; send at most {MAX_BYTES:,} at once.")


def _limit(file: SlotRequest, settings: ApiSettings) -> int:
    return settings.max_import_bytes if file.content_type in IMPORTED_TYPES else settings.max_file_bytes


def _too_large(file: SlotRequest, settings: ApiSettings) -> str:
    return f"The file has {file.size:,} bytes; the limit is {_limit(file, settings):,}."


def _examine(
    store: ObjectStore, decoder: Decoder, settings: ApiSettings, upload: DirectUpload, index: int
) -> Checked | Refusal:
    name, key = upload.files[index]["name"], staged_key(upload.id, index)
    try:
        data = _read(store, key, upload.files[index]["size_bytes"])
    except (ObjectMissingError, InvalidInputError) as error:
        return error, FieldError(f"/files/{index}", error.code, f"{name}: {error.detail}")
    found = uploads.examine(index, UploadedFile(name, data), decoder, settings)
    if not isinstance(found, Checked):
        return found
    # The bytes are read again when they are stored: all files together may be more than memory holds.
    return replace(found, read=partial(_read_the_same, store, key, found))


def _read(store: ObjectStore, key: str, size: int) -> bytes:
    try:
        # One byte more shows that there is more, however large the object is.
        with store.open_range(key, 0, size + 1) as chunks:
            data = b"".join(chunks)
    except ObjectMissingError as error:
        raise ObjectMissingError("The file has not been written; send it to its URL first.") from error
    if len(data) != size:
        raise InvalidInputError(f"The file was announced with {size:,} bytes and has others; write it again.")
    return data


def _read_the_same(store: ObjectStore, key: str, checked: Checked) -> bytes:
    data = _read(store, key, checked.size)
    if uploads.digest_of(data) != checked.digest:
        raise ConflictError("A file was written again while it was registered; register the upload again.")
    return data


def _clear(store: ObjectStore, upload: DirectUpload) -> None:
    try:
        for key in staged_keys(upload.id, len(upload.files)):
            store.delete(key)
    except StorageUnavailableError as error:
        logger.warning("staged objects not removed; the sweep will", extra={"reason": error.detail})
