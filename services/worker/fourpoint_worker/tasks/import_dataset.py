"""Import images and annotations, slice by slice.

A slice is one transaction: samples, documents, boxes, what there is to say of lines, the counts, and how far
the job has come. Who dies goes on behind the last slice. Bytes are written under promises that name the job, so
that the next try finds its own and ends as an undisturbed one. An image's objects are taken whole or not at
all.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, BinaryIO, cast
from uuid import UUID

from fourpoint_core import foreign_json
from fourpoint_core.domain.labels import clean_label_name
from fourpoint_core.domain.transfers import ImportOrder
from fourpoint_core.errors import FourpointError, InvalidInputError, StorageUnavailableError
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.jobs.contracts import IMPORT_DATASET
from fourpoint_core.jobs.payloads.transfers import ImportDataset
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.addresses import address_of
from fourpoint_core.storage.staging import staged_key
from fourpoint_core.store.models import Dataset
from fourpoint_core.store.queries import datasets, imports, jobs, leases, uploads
from fourpoint_core.store.queries.imports import WantedLabel
from fourpoint_core.store.session import Session, Sessions, reading, unit_of_work
from fourpoint_worker.formats.catalogue import FORMATS
from fourpoint_worker.formats.coco import colour_or_none, mask_index_or_none
from fourpoint_worker.formats.values import (
    FormatError,
    Found,
    ImportedImage,
    ImportedLabel,
    ImportedObject,
    Note,
    Refusal,
)
from fourpoint_worker.importing.foresight import Foresight, foresight
from fourpoint_worker.importing.matching import Matcher, read_bounded
from fourpoint_worker.importing.slices import Lines, Slice, TakenImage
from fourpoint_worker.importing.storing import ImageStorage, require_size
from fourpoint_worker.importing.transactions import Transactions
from fourpoint_worker.importing.trees import ArchiveTree, Bucket, BucketTree, ImportTree
from fourpoint_worker.lease_keeper import ActiveJob

REPORT_FILE = "fourpoint.json"
_MAX_REPORT_BYTES = 16 * 1024 * 1024


class ImportDatasetWork:
    """See running.Work."""

    kind = IMPORT_DATASET

    def __init__(
        self,
        sessions: Sessions,
        store: ObjectStore,
        storage_url: str,
        max_bytes: int,
        max_pixels: int,
        decoder: Decoder,
    ):
        """max_bytes: of an archive, or of one file of annotations. max_pixels: of an image."""
        self._sessions = sessions
        self._store = store
        self._storage_url = storage_url
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._decoder = decoder

    def do(self, payload: ImportDataset, job: ActiveJob) -> None:
        """Take in what the files say; each slice is final."""
        job.checkpoint("files")
        with reading(self._sessions) as session:
            dataset = datasets.get_dataset(session, payload.dataset_id)
            closed = imports.closed_paths(session, job.author)
            progress = jobs.get_job(session, job.lease.job_id).progress or {}
        if payload.order.dry_run and progress:
            # What it foresaw went with the try before.
            progress = self._begin_anew(job)
        bucket = Bucket(self._store, address_of(self._storage_url), closed)
        try:
            with self._tree(payload.order, payload.dataset_id, bucket) as tree, foresight() as foreseen:
                run = _Run(
                    self, payload, dataset, tree, job, progress, foreseen if payload.order.dry_run else None
                )
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

    def _begin_anew(self, job: ActiveJob) -> dict[str, int]:
        with unit_of_work(self._sessions) as session:
            leases.report_progress(session, job.lease, {})
            imports.forget_lines(session, job.lease.job_id)
        return {}

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
        tree: ImportTree,
        job: ActiveJob,
        progress: dict[str, int],
        foreseen: Foresight | None,
    ):
        self._order = order = payload.order
        self._tree = tree
        self._job = job
        sessions = work._sessions
        self._lines = Lines(job.lease.job_id, int(progress.get("lines", 0)))
        position = int(progress.get("position", 0))
        self._transactions = Transactions(sessions, dataset, order, job, self._lines, position, foreseen)
        self._matcher = Matcher(sessions, dataset, tree, work._decoder)
        self._images = ImageStorage(
            sessions,
            work._store,
            dataset,
            tree,
            job,
            work._max_pixels,
            work._decoder,
            with_images=order.with_images,
            dry_run=order.dry_run,
        )

    def go(self) -> None:
        """Go through everything that is found, in slices."""
        at = 0
        current = Slice()
        for found in self._everything():
            at += 1
            if at <= self._transactions.position:
                continue
            self._job.checkpoint("slice")
            name = found.name if isinstance(found, ImportedImage) else None
            try:
                self._take(found, at, current)
            except FormatError as error:
                self._lines.refused(current, Refusal.of(error, _place(found), name))
            except InvalidInputError as error:
                code = error.errors[0].code if error.errors else error.code
                self._lines.refused(current, Refusal(_place(found), code, error.detail, None, name))
            if current.is_full:
                self._transactions.commit(current, at)
                current = current.successor(dry_run=self._order.dry_run)
        self._transactions.commit(current, at)

    def _everything(self) -> Iterator[Found]:
        yield from self._declared()
        yield from FORMATS[self._order.format.value].read(self._tree, self._matcher.size_of)

    def _declared(self) -> Iterator[Found]:
        """Labels as an export of ours has written them beside its files."""
        if not self._tree.has(REPORT_FILE):
            return
        try:
            said = foreign_json.loads(read_bounded(self._tree, REPORT_FILE, _MAX_REPORT_BYTES))
            for label in said["labels"]:
                name, index = clean_label_name(label["name"]), mask_index_or_none(label["mask_index"])
                yield ImportedLabel(name, colour_or_none(label["colour"]), index)
        except (foreign_json.NotJsonError, KeyError, TypeError, FormatError, FourpointError):
            # Somebody else's file of that name.
            return

    def _take(self, found: Found, at: int, current: Slice) -> None:
        if isinstance(found, Refusal):
            self._lines.refused(current, found)
        elif isinstance(found, ImportedLabel):
            name = self._name(found.name)
            if name:
                current.labels.append(WantedLabel(name, found.colour, found.mask_index))
        else:
            current.counts["images_seen"] += 1
            current.images.append(self._image(found, at, current))

    def _image(self, image: ImportedImage, at: int, current: Slice) -> TakenImage:
        """The image with the sample it belongs to, or with bytes that are stored under a promise."""
        place = self._matcher.place_of(image)
        taken = TakenImage(at, self._mapped(image, current), place.sample)
        if place.sample is None and place.path is None:
            raise FormatError(
                "image_not_found",
                f"Neither the files nor the dataset have the image {image.name or image.location}.",
                image.line,
            )
        if place.sample is None and place.path is not None:
            self._images.bring(taken, place.path, current)
        if taken.sample is not None:
            require_size(image, taken.sample.width, taken.sample.height)
        for note in image.notes:
            self._lines.of_image(current, image, "converted", note)
        return taken

    def _mapped(self, image: ImportedImage, current: Slice) -> ImportedImage:
        kept: list[ImportedObject] = []
        for each in image.objects:
            name = self._name(each.label)
            if name:
                kept.append(each if name == each.label else replace(each, label=name))
            else:
                note = Note("label_left_out", f"Objects named {each.label!r} are not wanted.", each.line)
                self._lines.of_image(current, image, "left_out", note)
        return image.with_objects(kept)

    def _name(self, name: str) -> str:
        mapped = self._order.mapping.get(name, name)
        return clean_label_name(mapped) if mapped else ""


def _place(found: Found) -> str:
    return "" if isinstance(found, ImportedLabel) else found.place
