"""Uploading images, all or nothing, without losing or orphaning a byte; no HTTP.

Order of events: check every file; promise the keys in the database (committed); write the objects; in one
transaction redeem the promises and add the rows. What fails takes back what it wrote. A process that dies
leaves promises, and the sweep removes the objects that nothing refers to.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fourpoint_api.resources.samples.names import alternatives, safe_name
from fourpoint_api.settings import ApiSettings
from fourpoint_core.errors import (
    BatchTooLargeError,
    DamagedImageError,
    DatabaseUnavailableError,
    FieldError,
    FileTooLargeError,
    FourpointError,
    InvalidInputError,
    StorageUnavailableError,
    UploadRefusedError,
)
from fourpoint_core.ids import new_id
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.imaging.inspect import ImageFacts
from fourpoint_core.storage import ObjectExistsError, ObjectStore
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.queries import audit, datasets, samples
from fourpoint_core.store.queries import uploads as direct_uploads
from fourpoint_core.store.session import Session, Sessions, note_result, preparation, unit_of_work

MAX_FILES = 1000
PREVIEW_SIZE = 128
# Of many copies, a few say enough.
MAX_DUPLICATES = 10
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file as it came: the name is the client's, the bytes are not checked."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be stored. read: its bytes, whenever they are needed; digest: SHA-256 of them, hex."""

    name: str
    facts: ImageFacts
    size: int
    digest: str
    read: Callable[[], bytes]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A new sample, and those of the dataset that had the same bytes before."""

    sample: Sample
    duplicates: list[Sample]


@dataclass(frozen=True, slots=True)
class FileReport:
    """What would become of one file.

    error: why it would be refused; checked and preview are None then. preview: a small upright JPEG.
    duplicates: samples of the dataset with the same bytes; same_as: places of earlier files with them.
    """

    original_name: str
    size: int
    error: FieldError | None = None
    checked: Checked | None = None
    preview: bytes | None = None
    duplicates: list[Sample] = field(default_factory=list)
    same_as: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Files with their keys, in the order they came.

    doubtful: keys whose write may or may not have happened.
    """

    upload_id: UUID
    files: list[Checked]
    doubtful: set[str] = field(default_factory=set)


def upload(
    sessions: Sessions,
    store: ObjectStore,
    decoder: Decoder,
    settings: ApiSettings,
    dataset_id: UUID,
    files: Sequence[UploadedFile],
    author: UUID,
    go_on: Callable[[], None],
) -> list[Stored]:
    """Store the files as new samples, in their order.

    go_on: called before each image is decoded, and raises where nobody wants it any more. Raises an error that
    names every bad file; nothing is stored then.
    """
    with unit_of_work(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id)
    checked = _check(files, decoder, settings, go_on)
    with unit_of_work(sessions) as session:
        known = direct_uploads.duplicates(session, dataset_id, {item.digest for item in checked})

    def remember(session: Session, rows: list[Sample]) -> None:
        note_result(session, {"samples": ids_noted(known, rows)})

    rows = store_checked(sessions, store, dataset, checked, author, remember)
    return [stored(row, known) for row in rows]


def stored_before(sessions: Sessions, result: dict[str, Any]) -> list[Stored]:
    """What an upload stored whose answer was lost. result: what it noted."""
    ids = [[UUID(text) for text in entry] for entry in result["samples"]]
    with unit_of_work(sessions) as session:
        found = samples.samples_by_id(session, [one for entry in ids for one in entry])
    return [
        Stored(found[first], [found[one] for one in others if one in found])
        for first, *others in ids
        if first in found
    ]


def report(
    sessions: Sessions,
    store: ObjectStore,
    decoder: Decoder,
    settings: ApiSettings,
    dataset_id: UUID,
    files: Sequence[UploadedFile],
    go_on: Callable[[], None],
) -> list[FileReport]:
    """What `upload` would do with each file; stores nothing. Raises NotFoundError. go_on: as there."""
    _check_count(len(files))
    with unit_of_work(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id)
    found = list(_examine_all(files, decoder, settings, go_on))
    digests = {checked.digest for checked in found if isinstance(checked, Checked)}
    with unit_of_work(sessions) as session:
        known = direct_uploads.duplicates(session, dataset_id, digests)
    reports: list[FileReport] = []
    taken: set[str] = set()
    for file, checked in zip(files, found, strict=True):
        go_on()
        if not isinstance(checked, Checked):
            reports.append(FileReport(file.name, len(file.data), checked[1]))
            continue
        try:
            preview = decoder.thumbnail(file.data, PREVIEW_SIZE)
        except DamagedImageError as error:
            refusal = _refusal(len(reports), file, error)
            reports.append(FileReport(file.name, len(file.data), refusal))
            continue
        named = replace(checked, name=_free_name(store, dataset, checked.name, taken))
        earlier = [i for i, one in enumerate(reports) if one.checked and one.checked.digest == checked.digest]
        duplicates = known.get(checked.digest, [])[:MAX_DUPLICATES]
        reports.append(FileReport(file.name, len(file.data), None, named, preview, duplicates, earlier))
    return reports


def store_checked(
    sessions: Sessions,
    store: ObjectStore,
    dataset: Dataset,
    checked: Sequence[Checked],
    author: UUID,
    finish: Callable[[Session, list[Sample]], None],
) -> list[Sample]:
    """Make samples of files, all or none. finish: what else belongs to the transaction that adds them."""
    placed = _promise(sessions, store, dataset, new_id(), checked)
    with _undone_on_failure(sessions, store, placed) as etags:
        for item in placed.files:
            etags[item.key] = _write(store, item, placed)
        rows = [_row(dataset, item, etags[item.key], author) for item in placed.files]
        with unit_of_work(sessions) as session:
            # It may have been deleted meanwhile.
            datasets.get_dataset(session, dataset.id)
            if samples.redeem_keys(session, placed.upload_id) != {item.key for item in placed.files}:
                raise StorageUnavailableError("The upload took too long and was undone; upload again.")
            samples.add_samples(session, rows)
            names = {str(row.id): row.name for row in rows}
            audit.add(session, "samples", "uploaded", None, dataset_id=dataset.id, details={"samples": names})
            finish(session, rows)
    return rows


def examine(
    index: int, file: UploadedFile, decoder: Decoder, settings: ApiSettings
) -> Checked | tuple[FourpointError, FieldError]:
    """The file, or why it is refused. index: its place in the request."""
    try:
        if len(file.data) > settings.max_file_bytes:
            raise FileTooLargeError(
                f"The file has {len(file.data):,} bytes; the limit is {settings.max_file_bytes:,}."
            )
        facts = decoder.facts(file.data, settings.max_image_pixels)
    except FourpointError as error:
        return error, _refusal(index, file, error)
    digest = digest_of(file.data)
    return Checked(safe_name(file.name, facts.media_type), facts, len(file.data), digest, lambda: file.data)


def _refusal(index: int, file: UploadedFile, error: FourpointError) -> FieldError:
    return FieldError(f"/files/{index}", error.code, f"{file.name}: {error.detail}")


def require_all(found: Sequence[Checked | tuple[FourpointError, FieldError]]) -> list[Checked]:
    """The files, if every one may be stored. Raises an error that names every bad one."""
    refusals = [item for item in found if not isinstance(item, Checked)]
    if refusals:
        kinds = {type(error) for error, _ in refusals}
        kind = kinds.pop() if len(kinds) == 1 else UploadRefusedError
        raise kind("Nothing was stored: " + refusals[0][1].detail, [field for _, field in refusals])
    return [item for item in found if isinstance(item, Checked)]


def _check(
    files: Sequence[UploadedFile], decoder: Decoder, settings: ApiSettings, go_on: Callable[[], None]
) -> list[Checked]:
    _check_count(len(files))
    total = sum(len(file.data) for file in files)
    if total > settings.max_batch_bytes:
        raise BatchTooLargeError(
            f"The files have {total:,} bytes in all; send at most {settings.max_batch_bytes:,} at once."
        )
    return require_all(list(_examine_all(files, decoder, settings, go_on)))


def _examine_all(
    files: Sequence[UploadedFile], decoder: Decoder, settings: ApiSettings, go_on: Callable[[], None]
) -> Iterator[Checked | tuple[FourpointError, FieldError]]:
    for index, file in enumerate(files):
        go_on()
        yield examine(index, file, decoder, settings)


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_FILES:
        raise InvalidInputError.at("/files", "files_count", f"Send 1 to {MAX_FILES} files in fields `files`.")


def stored(row: Sample, known: dict[str, list[Sample]]) -> Stored:
    """A new sample beside those with its content. known: by content."""
    return Stored(row, known.get(row.digest, [])[:MAX_DUPLICATES])


def ids_noted(known: dict[str, list[Sample]], rows: Sequence[Sample]) -> list[list[str]]:
    """For each new sample its id and those of its duplicates, as `stored_before` reads them."""
    return [[str(row.id), *(str(other.id) for other in stored(row, known).duplicates)] for row in rows]


def digest_of(data: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()


def _free_name(store: ObjectStore, dataset: Dataset, wanted: str, taken: set[str]) -> str:
    for name in alternatives(wanted):
        if name not in taken and not store.exists(dataset.input_path + name):
            taken.add(name)
            return name
    raise AssertionError("alternatives are endless")


def _promise(
    sessions: Sessions, store: ObjectStore, dataset: Dataset, upload_id: UUID, checked: Sequence[Checked]
) -> _Placed:
    """Give every file a key that nobody has, in the database or in the bucket."""
    files = list(checked)
    with preparation(sessions) as session:
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


def _write(store: ObjectStore, item: Checked, placed: _Placed) -> str:
    data = item.read()
    placed.doubtful.add(item.key)
    try:
        written = store.put(item.key, data, content_type=item.facts.media_type, if_absent=True)
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
        with preparation(sessions) as session:
            # Only under promises that still stand: keys that the sweep took back may be others' by now.
            promised = set(samples.promised_keys(session, placed.upload_id))
            for key in promised.intersection(written):
                store.delete(key)
            # A write that failed may yet have happened: its promise stays for the sweep to look after.
            samples.forget_intents(session, promised - placed.doubtful)
    except (StorageUnavailableError, DatabaseUnavailableError) as error:
        logger.warning("upload not undone; the sweep will", extra={"reason": str(error)})


def _row(dataset: Dataset, item: Checked, etag: str, author: UUID) -> Sample:
    return Sample(
        id=new_id(),
        dataset_id=dataset.id,
        name=item.name,
        object_key=item.key,
        object_etag=etag,
        digest=item.digest,
        media_type=item.facts.media_type,
        size_bytes=item.size,
        width=item.facts.width,
        height=item.facts.height,
        created_by=author,
        created_at=datetime.now(UTC),
    )
