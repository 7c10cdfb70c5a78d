"""Uploading images, all or nothing, without losing or orphaning a byte; no HTTP.

Order of events: check every file; promise the keys in the database (committed); write the objects; in one
transaction redeem the promises and add the rows. What fails takes back what it wrote. A process that dies
leaves promises, and the sweep removes the objects that nothing refers to.
"""

import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from fourpoint_api.resources.samples.names import alternatives, safe_name
from fourpoint_api.settings import ApiSettings
from fourpoint_core.errors import (
    BatchTooLargeError,
    DatabaseUnavailableError,
    FieldError,
    FileTooLargeError,
    FourpointError,
    InvalidInputError,
    StorageUnavailableError,
    UploadRefusedError,
)
from fourpoint_core.ids import new_id
from fourpoint_core.imaging.inspect import ImageFacts, inspect_image
from fourpoint_core.storage import ObjectExistsError, ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.queries import datasets, samples
from fourpoint_core.store.session import Sessions, unit_of_work

MAX_FILES = 1000
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file as it came: the name is the client's, the bytes are not checked."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Checked:
    name: str
    data: bytes
    facts: ImageFacts
    key: str = ""


@dataclass(frozen=True, slots=True)
class _Placed:
    """Files with their keys, in the order they came.

    doubtful: keys whose write may or may not have happened.
    """

    upload_id: UUID
    files: list[_Checked]
    doubtful: set[str] = field(default_factory=set)


def upload(
    sessions: Sessions,
    store: ObjectStore,
    settings: ApiSettings,
    dataset_id: UUID,
    files: Sequence[UploadedFile],
    author: UUID,
) -> list[Sample]:
    """Store the files as new samples, in their order.

    Raises an error that names every bad file; nothing is stored then.
    """
    with unit_of_work(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id)
    placed = _promise(sessions, store, dataset, new_id(), _check(files, settings))
    with _undone_on_failure(sessions, store, placed) as etags:
        for item in placed.files:
            etags[item.key] = _write(store, item, placed)
        rows = [_row(dataset, item, etags[item.key], author) for item in placed.files]
        with unit_of_work(sessions) as session:
            # It may have been deleted meanwhile.
            datasets.get_dataset(session, dataset_id)
            if samples.redeem_keys(session, placed.upload_id) != {item.key for item in placed.files}:
                raise StorageUnavailableError("The upload took too long and was undone; upload again.")
            samples.add_samples(session, rows)
    return rows


def _check(files: Sequence[UploadedFile], settings: ApiSettings) -> list[_Checked]:
    if not 1 <= len(files) <= MAX_FILES:
        raise InvalidInputError.at("/files", "files_count", f"Send 1 to {MAX_FILES} files in fields `files`.")
    total = sum(len(file.data) for file in files)
    if total > settings.max_batch_bytes:
        raise BatchTooLargeError(
            f"The files have {total:,} bytes in all; send at most {settings.max_batch_bytes:,} at once."
        )
    checked: list[_Checked] = []
    refusals: list[tuple[FourpointError, FieldError]] = []
    for index, file in enumerate(files):
        try:
            facts = _inspect(file, settings)
            checked.append(_Checked(safe_name(file.name, facts.media_type), file.data, facts))
        except FourpointError as error:
            refusals.append((error, FieldError(f"/files/{index}", error.code, f"{file.name}: {error.detail}")))
    if refusals:
        _refuse(refusals)
    return checked


def _inspect(file: UploadedFile, settings: ApiSettings) -> ImageFacts:
    if len(file.data) > settings.max_file_bytes:
        raise FileTooLargeError(
            f"The file has {len(file.data):,} bytes; the limit is {settings.max_file_bytes:,}."
        )
    return inspect_image(file.data, settings.max_image_pixels)


def _refuse(refusals: Sequence[tuple[FourpointError, FieldError]]) -> None:
    kinds = {type(error) for error, _ in refusals}
    kind = kinds.pop() if len(kinds) == 1 else UploadRefusedError
    raise kind("Nothing was stored: " + refusals[0][1].detail, [field for _, field in refusals])


def _promise(
    sessions: Sessions, store: ObjectStore, dataset: Dataset, upload_id: UUID, checked: Sequence[_Checked]
) -> _Placed:
    """Give every file a key that nobody has, in the database or in the bucket."""
    files = list(checked)
    with unit_of_work(sessions) as session:
        # By name: two uploads that want the same names then wait for each other, and never both ways.
        for index in sorted(range(len(files)), key=lambda one: files[one].name):
            for name in alternatives(files[index].name):
                key = dataset.input_path + name
                # First the bucket: what is there already is somebody's, and must never be promised to us,
                # or the sweep would remove it as ours.
                if not store.exists(key) and samples.reserve_key(session, upload_id, key):
                    files[index] = replace(files[index], name=name, key=key)
                    break
    return _Placed(upload_id, files)


def _write(store: ObjectStore, item: _Checked, placed: _Placed) -> str:
    placed.doubtful.add(item.key)
    try:
        written = store.put(item.key, item.data, content_type=item.facts.media_type, if_absent=True)
    except ObjectExistsError as error:
        # Somebody wrote to the bucket past us, between our look and our write. It is theirs.
        placed.doubtful.discard(item.key)
        raise StorageUnavailableError("A file of that name has just appeared; upload again.") from error
    placed.doubtful.discard(item.key)
    return written.etag


@contextmanager
def _undone_on_failure(sessions: Sessions, store: ObjectStore, placed: _Placed) -> Iterator[dict[str, str]]:
    """Take back what was written when the block fails. It keeps a dict of the keys that are written."""
    written: dict[str, str] = {}
    try:
        yield written
    except DatabaseUnavailableError:
        # Perhaps the rows were committed after all. If not, the promises still stand, and the sweep clears.
        raise
    except FourpointError:
        _undo(sessions, store, placed, written)
        raise


def _undo(sessions: Sessions, store: ObjectStore, placed: _Placed, written: Collection[str]) -> None:
    try:
        with unit_of_work(sessions) as session:
            # Only under promises that still stand: keys that the sweep took back may be others' by now.
            promised = set(samples.promised_keys(session, placed.upload_id))
            for key in promised.intersection(written):
                store.delete(key)
            # A write that failed may yet have happened: its promise stays for the sweep to look after.
            samples.forget_intents(session, promised - placed.doubtful)
    except (StorageUnavailableError, DatabaseUnavailableError) as error:
        logger.warning("upload not undone; the sweep will", extra={"reason": str(error)})


def _row(dataset: Dataset, item: _Checked, etag: str, author: UUID) -> Sample:
    return Sample(
        id=new_id(),
        dataset_id=dataset.id,
        name=item.name,
        object_key=item.key,
        object_etag=etag,
        digest=hashlib.sha256(item.data).hexdigest(),
        media_type=item.facts.media_type,
        size_bytes=len(item.data),
        width=item.facts.width,
        height=item.facts.height,
        created_by=author,
        created_at=datetime.now(UTC),
    )
