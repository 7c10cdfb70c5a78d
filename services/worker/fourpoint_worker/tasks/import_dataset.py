"""Import images and annotations, slice by slice.

A slice is one transaction: samples, documents, boxes, what there is to say of lines, the counts, and how far
the job has come. Who dies goes on behind the last slice. Bytes are written under promises that name the job, so
that the next try finds its own and ends as an undisturbed one. An image's objects are taken whole or not at
all.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, BinaryIO, cast
from uuid import UUID, uuid5

from fourpoint_core.domain.labels import clean_label_name
from fourpoint_core.domain.transfers import ImportOrder
from fourpoint_core.errors import (
    FourpointError,
    InvalidInputError,
    ObjectMissingError,
    StorageUnavailableError,
)
from fourpoint_core.imaging.inspect import ImageFacts, inspect_image
from fourpoint_core.jobs.contracts import IMPORT_DATASET
from fourpoint_core.jobs.payloads.transfers import ImportDataset
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.addresses import address_of
from fourpoint_core.storage.port import validate_key
from fourpoint_core.storage.staging import staged_key
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.queries import datasets, imports, jobs, leases, samples, uploads
from fourpoint_core.store.queries.imports import WantedLabel
from fourpoint_core.store.session import Session, Sessions, preparation, reading, unit_of_work
from fourpoint_worker.formats.catalogue import FORMATS
from fourpoint_worker.formats.values import (
    FileTree,
    FormatError,
    Found,
    ImportedImage,
    ImportedLabel,
    ImportedObject,
    Refusal,
)
from fourpoint_worker.importing.matching import Matcher, numbered, read_bounded
from fourpoint_worker.importing.saving import Saved, save
from fourpoint_worker.importing.trees import ArchiveTree, Bucket, BucketTree
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.syncer.reading import sha256_of

SLICE = 50
REPORT_FILE = "fourpoint.json"
MAX_IMAGE_BYTES = 25 * 1024 * 1024
_MAX_REPORT_BYTES = 16 * 1024 * 1024
_NOBODY = Sample(id=UUID(int=0))
# Lines beyond are counted, and not kept: a file of a million bad lines says the same of each.
MAX_LINES = 100_000
_MAX_DETAIL = 500


@dataclass(slots=True)
class _Image:
    """An image of a slice, on its way. data: bytes to be stored; key: where; facts: of them.

    twin: the first image with the same bytes that the dataset has, under another name.
    """

    image: ImportedImage
    sample: Sample | None = None
    data_path: str | None = None
    key: str | None = None
    row: Sample | None = None
    twin: Sample | None = None


@dataclass(slots=True)
class _Slice:
    """What one transaction will hold."""

    images: list[tuple[int, _Image]] = field(default_factory=list)
    labels: list[WantedLabel] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    promised: list[str] = field(default_factory=list)
    digests: dict[str, Sample] = field(default_factory=dict)
    rows: dict[str, Sample] = field(default_factory=dict)


class ImportDatasetWork:
    """See running.Work."""

    kind = IMPORT_DATASET

    def __init__(
        self, sessions: Sessions, store: ObjectStore, storage_url: str, max_bytes: int, max_pixels: int
    ):
        """max_bytes: of an archive, or of one file of annotations. max_pixels: of an image."""
        self._sessions = sessions
        self._store = store
        self._storage_url = storage_url
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels

    def do(self, payload: ImportDataset, job: ActiveJob) -> None:
        """Take in what the files say; each slice is final."""
        job.checkpoint("files")
        with reading(self._sessions) as session:
            dataset = datasets.get_dataset(session, payload.dataset_id)
            closed = imports.closed_paths(session, job.author)
            progress = jobs.get_job(session, job.lease.job_id).progress or {}
        bucket = Bucket(self._store, address_of(self._storage_url), closed)
        try:
            with self._tree(payload.order, payload.dataset_id, bucket) as tree:
                run = _Run(self, payload, dataset, tree, job, progress)
                run.go()
        except FormatError as error:
            raise InvalidInputError.at("/source", error.code, str(error)) from None

    def record(self, session: Session, payload: ImportDataset, job: ActiveJob, outcome: None) -> dict[str, Any]:
        """Say what was done, of all tries together."""
        counts = dict(jobs.get_job(session, job.lease.job_id).progress or {})
        counts.pop("position", None)
        return {
            "dry_run": payload.order.dry_run,
            "counts": counts,
            "lines": imports.count_lines(session, job.lease.job_id),
        }

    @contextmanager
    def _tree(self, order: ImportOrder, dataset_id: UUID, bucket: Bucket) -> Iterator[Any]:
        with ExitStack() as stack:
            if order.upload_id is not None:
                with reading(self._sessions) as session:
                    upload = uploads.get_upload(session, dataset_id, order.upload_id)
                key, name = staged_key(upload.id, 0), upload.files[0]["name"]
                yield self._archive(stack, bucket, key, name)
                return
            path = order.path or ""
            if path.endswith(".zip"):
                if not bucket.may_be_read(path):
                    raise FormatError("path_closed", f"{path} may not be read.")
                yield self._archive(stack, bucket, path, path.rpartition("/")[2])
                return
            scratch = Path(stack.enter_context(TemporaryDirectory(prefix="fourpoint-import-")))
            tree = BucketTree(bucket, self._store, path, scratch)
            stack.callback(tree.close)
            if next(tree.paths(), None) is None:
                raise FormatError("nothing_found", f"The bucket holds nothing at {path} that may be read.")
            yield tree

    def _archive(self, stack: ExitStack, bucket: Bucket, key: str, name: str) -> ArchiveTree:
        """An archive is read here and there, so it comes whole, to a file without a name."""
        size = self._store.stat(key).size
        if size > self._max_bytes:
            raise FormatError(
                "archive_too_large", f"The file has {size:,} bytes; the limit is {self._max_bytes:,}."
            )
        file = stack.enter_context(TemporaryFile(prefix="fourpoint-import-"))  # noqa: SIM115
        with self._store.open_range(key) as chunks:
            for chunk in chunks:
                file.write(chunk)
        if file.tell() != size:
            raise StorageUnavailableError("The object store sent only a part of the file; try again.")
        file.seek(0)
        return ArchiveTree(bucket, cast(BinaryIO, file), name, size)


class _Run:
    """One try, from where the last one ended."""

    def __init__(
        self,
        work: ImportDatasetWork,
        payload: ImportDataset,
        dataset: Dataset,
        tree: FileTree,
        job: ActiveJob,
        progress: dict[str, int],
    ):
        self._sessions = work._sessions
        self._store = work._store
        self._max_pixels = work._max_pixels
        self._order = payload.order
        self._dataset = dataset
        self._tree = tree
        self._job = job
        self._job_id = job.lease.job_id
        self._position = int(progress.get("position", 0))
        self._lines = int(progress.get("lines", 0))
        self._matcher = Matcher(self._sessions, dataset, tree, tree.key_of)  # type: ignore[attr-defined]
        self._mapping = payload.order.mapping
        # Labels that a dry run has counted as new.
        self._foreseen: set[str] = set()

    def go(self) -> None:
        """Go through everything that is found, in slices."""
        at = 0
        current = _Slice()
        for found in self._everything():
            at += 1
            if at <= self._position:
                continue
            self._job.checkpoint("slice")
            try:
                self._take(found, at, current)
            except FormatError as error:
                name = found.name if isinstance(found, ImportedImage) else None
                self._refuse(current, at, Refusal.of(error, _place(found), name))
            except InvalidInputError as error:
                name = found.name if isinstance(found, ImportedImage) else None
                self._refuse(
                    current, at, Refusal(_place(found), error.errors[0].code, error.detail, None, name)
                )
            if len(current.images) >= SLICE or len(current.lines) >= 1000:
                self._commit(current, at)
                current = _Slice()
        self._commit(current, at)

    def _everything(self) -> Iterator[Found]:
        yield from self._declared()
        yield from FORMATS[self._order.format.value].read(self._tree, self._matcher.size_of)

    def _declared(self) -> Iterator[Found]:
        """Labels as an export of ours has written them beside its files."""
        if not self._tree.has(REPORT_FILE):
            return
        try:
            said = json.loads(read_bounded(self._tree, REPORT_FILE, _MAX_REPORT_BYTES))
            for label in said["labels"]:
                yield ImportedLabel(clean_label_name(label["name"]), label["colour"], int(label["mask_index"]))
        except (ValueError, KeyError, TypeError, RecursionError, FormatError, FourpointError):
            # Somebody else's file of that name.
            return

    def _take(self, found: Found, at: int, current: _Slice) -> None:
        if isinstance(found, Refusal):
            self._refuse(current, at, found)
        elif isinstance(found, ImportedLabel):
            name = self._name(found.name)
            if name:
                current.labels.append(WantedLabel(name, found.colour, found.mask_index))
        else:
            current.counts["images_seen"] += 1
            current.images.append((at, self._image(found, at, current)))

    def _image(self, image: ImportedImage, at: int, current: _Slice) -> _Image:
        """The image with the sample it belongs to, or with bytes that are stored under a promise."""
        place = self._matcher.place_of(image)
        taken = _Image(self._mapped(image, at, current), place.sample)
        if place.sample is None and place.path is None:
            raise FormatError(
                "image_not_found",
                f"Neither the files nor the dataset have the image {image.name or image.location}.",
                image.line,
            )
        if place.sample is None and place.path is not None:
            self._bring(taken, place.path, current)
        size = taken.sample or taken.row
        if size is not None and image.objects and (image.width, image.height) != (size.width, size.height):
            raise FormatError(
                "size_differs",
                f"The file was made for an image of {image.width} x {image.height} pixels; this is "
                f"{size.width} x {size.height}.",
                image.line,
            )
        for note in image.notes:
            self._say(current, at, "converted", note.code, note.detail, image.place, note.line, image.name)
        return taken

    def _mapped(self, image: ImportedImage, at: int, current: _Slice) -> ImportedImage:
        kept: list[ImportedObject] = []
        for each in image.objects:
            name = self._name(each.label)
            if name:
                kept.append(each if name == each.label else replace(each, label=name))
            else:
                detail = f"Objects named {each.label!r} are not wanted."
                self._say(current, at, "left_out", "label_left_out", detail, image.place, each.line, image.name)
        return image.with_objects(kept)

    def _name(self, name: str) -> str:
        mapped = self._mapping.get(name, name)
        return clean_label_name(mapped) if mapped else ""

    def _bring(self, taken: _Image, path: str, current: _Slice) -> None:
        """Find the bytes in the dataset under the image's name, or store them.

        Equal bytes under other names are images of their own, as for uploads, and named in the report.
        """
        data = read_bounded(self._tree, path, MAX_IMAGE_BYTES)
        digest = hashlib.sha256(data).hexdigest()
        own_key = self._tree.key_of(path)  # type: ignore[attr-defined]
        in_place = own_key is not None and own_key.startswith(self._dataset.input_path)
        wanted = own_key if in_place else self._wanted_key(taken.image.name or path)
        taken.sample = self._same_under(wanted, digest, len(data), current)
        if taken.sample is not None:
            return
        taken.twin = self._of_digest(digest) or current.digests.get(digest)
        if not self._order.with_images:
            if taken.twin is None:
                raise FormatError(
                    "image_not_in_dataset",
                    "The dataset lacks this image, and none are to be added.",
                    taken.image.line,
                )
            taken.sample = taken.twin
            return
        try:
            facts = inspect_image(data, self._max_pixels)
        except FourpointError as error:
            raise FormatError(error.code, error.detail, taken.image.line) from None
        key = wanted if in_place else self._promised_key(wanted, current)
        etag = self._written(key, data, facts, in_place=in_place)
        taken.row = current.rows[key] = self._row(key, etag, digest, facts, len(data))
        current.digests.setdefault(digest, taken.row)

    def _of_digest(self, digest: str) -> Sample | None:
        with reading(self._sessions) as session:
            return imports.samples_of_digest(session, self._dataset.id, [digest]).get(digest)

    def _same_under(self, wanted: str, digest: str, size: int, current: _Slice) -> Sample | None:
        """The sample with these bytes under a key, or under one that was numbered because others had it."""
        for key in numbered(wanted):
            sample = current.rows.get(key)
            if sample is None:
                with reading(self._sessions) as session:
                    sample = imports.sample_at(session, self._dataset.id, key)
            if sample is None:
                return None
            known = sample.known_sha256
            if known is None and sample.size_bytes == size:
                # It was synchronised by its header, and nobody has read it since.
                with suppress(ObjectMissingError):
                    known = sha256_of(self._store, key)
            if known == digest:
                return sample
        return None

    def _wanted_key(self, name: str) -> str:
        """Where an image of this name belongs. Raises FormatError."""
        wanted = self._dataset.input_path + (name.partition("://")[2] or name)
        try:
            return validate_key(wanted)
        except InvalidInputError as error:
            raise FormatError("name_invalid", error.detail) from None

    def _promised_key(self, wanted: str, current: _Slice) -> str:
        if self._order.dry_run:
            return wanted
        key = next(key for key in numbered(wanted) if key not in current.promised and self._may_have(key))
        current.promised.append(key)
        return key

    def _may_have(self, key: str) -> bool:
        with preparation(self._sessions) as session:
            if imports.is_promised(session, self._job_id, key):
                return True
        # First the bucket: what is there already is somebody's, and must never be promised to us.
        if self._store.exists(key):
            return False
        with preparation(self._sessions) as session:
            return imports.reserve(session, self._job_id, key)

    def _written(self, key: str, data: bytes, facts: ImageFacts, *, in_place: bool) -> str:
        if self._order.dry_run:
            return ""
        if in_place:
            return self._store.stat(key).etag
        return self._store.put(key, data, content_type=facts.media_type).etag

    def _row(self, key: str, etag: str, digest: str, facts: ImageFacts, size: int) -> Sample:
        return Sample(
            id=uuid5(self._job_id, key),
            dataset_id=self._dataset.id,
            name=key.rpartition("/")[2],
            object_key=key,
            object_etag=etag,
            digest=digest,
            media_type=facts.media_type,
            size_bytes=size,
            width=facts.width,
            height=facts.height,
            created_by=self._job.author,
            created_at=datetime.now(UTC),
            revision=0,
            annotation_count=0,
        )

    def _commit(self, current: _Slice, at: int) -> None:
        """Make the slice true, all of it, and say how far the job has come."""
        with unit_of_work(self._sessions) as session:
            leases.require_lease(session, self._job.lease)
            # The dataset may have been deleted meanwhile.
            datasets.get_dataset(session, self._dataset.id)
            # Samples before the dataset and its labels, as everybody locks them.
            held = self._hold_samples(session, current)
            label_ids = self._label_ids(session, current)
            for at_image, taken in current.images:
                self._save(session, taken, held, label_ids, current, at_image)
            imports.add_lines(session, current.lines)
            current.counts["lines"] += len(current.lines)
            self._lines += len(current.lines)
            current.counts["position"] = at - self._position
            _add_progress(session, self._job, current.counts)
        self._position = at

    def _hold_samples(self, session: Session, current: _Slice) -> dict[UUID, Sample]:
        """The samples of the slice, those that are new added, all locked; in a dry run, as they are."""
        rows = {taken.row.id: taken.row for _, taken in current.images if taken.row is not None}
        if self._order.dry_run:
            known = {taken.sample.id: taken.sample for _, taken in current.images if taken.sample is not None}
            return {**known, **rows}
        if current.promised and not imports.redeem(session, self._job_id, current.promised):
            raise StorageUnavailableError("Storing the images took too long and was undone; trying again.")
        samples.add_samples(session, rows.values())
        ids = {(taken.row or taken.sample or _NOBODY).id for _, taken in current.images}
        return imports.hold_samples(session, self._dataset.id, ids)

    def _label_ids(self, session: Session, current: _Slice) -> dict[str, UUID]:
        wanted = {label.name: label for label in current.labels}
        for _, taken in current.images:
            for each in taken.image.objects:
                wanted.setdefault(each.label, WantedLabel(each.label, each.colour))
        if self._order.dry_run:
            there = imports.label_ids(session, self._dataset.id, wanted)
            fresh = wanted.keys() - there.keys() - self._foreseen
            self._foreseen |= fresh
            current.counts["labels_added"] += len(fresh)
            return {name: uuid5(self._job_id, name) for name in wanted} | there
        found, made = imports.ensure_labels(session, self._dataset.id, list(wanted.values()))
        current.counts["labels_added"] += made
        return found

    def _save(
        self,
        session: Session,
        taken: _Image,
        held: dict[UUID, Sample],
        label_ids: dict[str, UUID],
        current: _Slice,
        at: int,
    ) -> None:
        image = taken.image
        sample = held.get((taken.row or taken.sample or _NOBODY).id)
        if sample is None:
            detail = "The image was deleted while it was imported."
            self._refuse(current, at, Refusal(image.place, "image_not_found", detail, image.line, image.name))
            return
        current.counts["images_added" if taken.row is not None else "images_matched"] += 1
        if taken.twin is not None:
            current.counts["images_duplicate"] += 1
            detail = f"The dataset has an image of the same bytes: {taken.twin.object_key}."
            self._say(current, at, "converted", "image_duplicate", detail, image.place, image.line, image.name)
        if not image.objects:
            return
        try:
            saved = save(
                session,
                sample,
                image.objects,
                label_ids,
                self._order.existing,
                self._job_id,
                at,
                self._job.author,
                dry=self._order.dry_run,
            )
        except InvalidInputError as error:
            code, detail = error.errors[0].code, error.detail
            self._refuse(current, at, Refusal(image.place, code, detail, image.line, image.name))
            return
        _count(current.counts, saved)

    def _refuse(self, current: _Slice, at: int, refusal: Refusal) -> None:
        current.counts["images_refused"] += 1
        self._say(
            current, at, "refused", refusal.code, refusal.detail, refusal.place, refusal.line, refusal.name
        )

    def _say(
        self,
        current: _Slice,
        at: int,
        outcome: str,
        code: str,
        detail: str,
        place: str,
        line: int | None,
        name: str | None,
    ) -> None:
        if self._lines + len(current.lines) >= MAX_LINES:
            current.counts["lines_not_kept"] += 1
            return
        current.lines.append(
            {
                "job_id": self._job_id,
                "position": self._lines + len(current.lines) + 1,
                "outcome": outcome,
                "code": code,
                "detail": _storable(detail)[:_MAX_DETAIL],
                "place": _storable(place)[:_MAX_DETAIL],
                "line": line,
                "name": None if name is None else _storable(name)[:_MAX_DETAIL],
            }
        )


def _place(found: Found) -> str:
    return "" if isinstance(found, ImportedLabel) else found.place


def _storable(text: str) -> str:
    """PostgreSQL takes neither NUL nor halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _count(counts: Counter[str], saved: Saved) -> None:
    counts["objects_added"] += saved.added
    counts["objects_removed"] += saved.removed
    counts["objects_unchanged"] += saved.unchanged
    counts["boxes_kept"] += saved.boxes
    counts["images_skipped"] += saved.skipped


def _add_progress(session: Session, job: ActiveJob, counts: Counter[str]) -> None:
    before = jobs.get_job(session, job.lease.job_id).progress or {}
    leases.report_progress(
        session, job.lease, {name: before.get(name, 0) + counts[name] for name in {*before, *counts}}
    )
