"""Export a dataset: snapshot, split, files, and one row that makes them visible.

Files of a try lie below a prefix of its own. Who dies leaves them to the sweep, which finds them by the row of
the try; the next try begins anew from a fresh snapshot. An export of the same content that was asked for in the
same way is not made again.

A version that is published goes to the folder of its name, whichever try it is: what it holds never changes, so
that every try writes the same bytes, and the manifest, which is last, says that they are all there. Before
anything else it marks the folder as its own, so that no other version of that name ever mixes with what a try
has left that broke off for good.
"""

import hashlib
import json
import mimetypes
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from fourpoint_core import foreign_json
from fourpoint_core.domain.transfers import ExportOrder
from fourpoint_core.errors import ObjectMissingError
from fourpoint_core.jobs.contracts import EXPORT_DATASET
from fourpoint_core.jobs.payloads.transfers import ExportDataset
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.addresses import address_of
from fourpoint_core.storage.exports import archive_prefix
from fourpoint_core.store.models import Dataset, Export
from fourpoint_core.store.queries import datasets, exports, leases
from fourpoint_core.store.queries.exports import Drawn, Exported
from fourpoint_core.store.session import Session, Sessions, unhurried_commit, unit_of_work
from fourpoint_worker.exporting import splitting
from fourpoint_worker.exporting.archive import Reader, zipped
from fourpoint_worker.exporting.snapshot import Snapshot, snapshot
from fourpoint_worker.formats.catalogue import FORMATS, Format
from fourpoint_worker.formats.values import File, Notes
from fourpoint_worker.lease_keeper import ActiveJob

REPORT_FILE = "fourpoint.json"
_PROGRESS_SECONDS = 1.0
_NOTES_SHOWN = 100
# Of a file that may be anybody's.
_MAX_REPORT_BYTES = 16 * 1024 * 1024
_PHASES = {"snapshot": "reading", "files": "writing"}
_Document = tuple[Exported, list[Drawn]]


@dataclass(frozen=True, slots=True)
class Made:
    """What a try has written, or the export that was there already.

    same: that export. gone: whether somebody has removed its files, so that they were written anew.
    """

    request: str
    content: str
    prefix: str
    same: UUID | None = None
    gone: bool = False
    object_key: str | None = None
    size_bytes: int = 0
    files: int = 0
    report: dict[str, Any] | None = None


class ExportDatasetWork:
    """See running.Work."""

    kind = EXPORT_DATASET

    def __init__(self, sessions: Sessions, store: ObjectStore, storage_url: str, days: float):
        """days: how long an archive can be downloaded."""
        self._sessions = sessions
        self._store = store
        self._address = address_of(storage_url)
        self._days = days

    def do(self, payload: ExportDataset, job: ActiveJob) -> Made:
        """Write the files, unless there is an export of just the same."""
        order = payload.order
        notes = Notes()
        progress = _Progress(self._sessions, job)
        progress.checkpoint("snapshot")
        with unit_of_work(self._sessions) as session:
            dataset = datasets.get_dataset(session, payload.dataset_id)
        prefix = self._prefix(dataset, order, job)
        root = "" if order.output_path is None else self._address + prefix
        name = _file_name(dataset.name)
        with snapshot(order.published_as or name, root) as source:
            source.dataset = name
            self._load(source, payload, dataset, notes, progress)
            request = _request(payload)
            content = _content(source, order)
            with unit_of_work(self._sessions) as session:
                same = exports.find_same(session, request, content)
            gone = same is not None and not self._is_whole(same)
            if same is not None and not gone:
                return Made(request, content, same.prefix, same.id)
            made = Made(request, content, prefix, None if same is None else same.id, gone)
            if order.published_as is None:
                with unit_of_work(self._sessions) as session:
                    exports.begin_attempt(session, job.lease, prefix)
            else:
                self._claim(prefix, order)
            if order.split is not None:
                splitting.deal(order.split, source, notes)
            return self._write(source, order, progress, made, notes)

    def record(self, session: Session, payload: ExportDataset, job: ActiveJob, outcome: Made) -> dict[str, Any]:
        """Show the files, all at once."""
        if outcome.same is not None and not outcome.gone:
            return {"export_id": str(outcome.same), "shared": True}
        if outcome.same is not None:
            exports.expire(session, outcome.same)
        export = exports.add_export(
            session,
            Export(
                id=job.lease.job_id,
                dataset_id=payload.dataset_id,
                request=outcome.request,
                content=outcome.content,
                order=payload.order.to_json(),
                object_key=outcome.object_key,
                prefix=outcome.prefix,
                size_bytes=outcome.size_bytes,
                files=outcome.files,
                report=outcome.report or {},
                created_by=job.author,
            ),
            self._days if outcome.object_key is not None else None,
        )
        shared = export.id != job.lease.job_id
        if not shared:
            # Else somebody was quicker with the same, and the sweep clears what this try has written.
            exports.end_attempt(session, job.lease)
        return {"export_id": str(export.id), "shared": shared}

    def _prefix(self, dataset: Dataset, order: ExportOrder, job: ActiveJob) -> str:
        if order.output_path is None:
            return archive_prefix(job.lease.job_id, job.lease.number)
        name = _file_name(dataset.name)
        if order.published_as is None:
            return f"{order.output_path}{name}-{job.lease.job_id}-{job.lease.number}/"
        folder = f"{order.output_path}{name}-{dataset.id}/annotation/{order.published_as}"
        said = self._said_at(f"{folder}/")
        if said is None or said.get("version") == str(order.wanted.version):
            return f"{folder}/"
        # A deleted version of this name has left files there, complete or not; or they are somebody's.
        return f"{folder}-{order.wanted.version}/"

    def _said_at(self, prefix: str) -> dict[str, Any] | None:
        """What the report below a prefix says; nothing where it is somebody's, None where there is none."""
        try:
            with self._store.open_range(prefix + REPORT_FILE, 0, _MAX_REPORT_BYTES) as chunks:
                said = foreign_json.loads(b"".join(chunks))
        except ObjectMissingError:
            return None
        except foreign_json.NotJsonError:
            return {}
        return said if isinstance(said, dict) else {}

    def _is_whole(self, export: Export) -> bool:
        """Whether the files of an export are still there, and not being written anew."""
        if export.object_key is not None:
            return self._store.exists(export.object_key)
        said = self._said_at(export.prefix)
        return said is not None and not said.get("unfinished")

    def _claim(self, prefix: str, order: ExportOrder) -> None:
        """Say whose a folder is; the report takes the place of this at the end."""
        said = json.dumps({"version": str(order.wanted.version), "unfinished": True}) + "\n"
        self._store.put(prefix + REPORT_FILE, said.encode(), content_type="application/json")

    def _load(
        self,
        source: Snapshot,
        payload: ExportDataset,
        dataset: Dataset,
        notes: Notes,
        progress: "_Progress",
    ) -> None:
        wanted = payload.order.wanted
        with unit_of_work(self._sessions) as session:
            found = exports.labels(session, dataset.id, wanted.version)
            documents = exports.documents(session, dataset.id, wanted, payload.order.ids)
            source.load(found, progress.counting(documents), dataset.input_path, self._address, notes)
        missing = len(set(payload.order.ids)) - source.count if payload.order.ids else 0
        for _ in range(missing):
            notes.add("sample_not_found")

    def _write(
        self, source: Snapshot, order: ExportOrder, progress: "_Progress", made: Made, notes: Notes
    ) -> Made:
        chosen = FORMATS[order.format.value]
        written = chosen.write_with_images if order.with_images else chosen.write
        files = self._all_files(source, written(source, notes), chosen, order, notes)
        counted = _Counted(files, source, progress)
        if order.output_path is None:
            key = f"{made.prefix}{source.name}-{order.format.value}.zip"
            reader = Reader(zipped(counted))
            self._store.put(key, reader, content_type="application/zip")  # type: ignore[arg-type]
            size = reader.count
        else:
            key = None
            size = self._write_tree(made.prefix, counted)
        report = _report(source, order, notes)
        return replace(made, object_key=key, size_bytes=size, files=counted.count, report=report)

    def _write_tree(self, prefix: str, files: Iterable[File]) -> int:
        size = 0
        for file in files:
            reader = Reader(iter(file.chunks))
            kind = mimetypes.guess_type(file.path)[0] or "application/octet-stream"
            self._store.put(prefix + file.path, reader, content_type=kind)  # type: ignore[arg-type]
            size += reader.count
        return size

    def _all_files(
        self, source: Snapshot, files: Iterator[File], chosen: Format, order: ExportOrder, notes: Notes
    ) -> Iterator[File]:
        yield from files
        if order.with_images:
            for image, key in source.images_with_keys():
                try:
                    with self._store.open_range(key) as chunks:
                        yield File(chosen.image_path(image), chunks)
                except ObjectMissingError:
                    notes.add("image_missing", f"The file {key} is gone from the bucket.")
        # Last, because only now is everything counted.
        report = json.dumps(_report(source, order, notes), ensure_ascii=False, indent=1) + "\n"
        yield File(REPORT_FILE, [report.encode()])


class _Counted:
    """Files that are counted as they are taken, between checkpoints of the job."""

    def __init__(self, files: Iterator[File], source: Snapshot, progress: "_Progress"):
        self._files = files
        self._source = source
        self._progress = progress
        self.count = 0

    def __iter__(self) -> Iterator[File]:
        for file in self._files:
            self._checkpoint()
            yield File(file.path, self._watched(file.chunks))
            self.count += 1

    def _watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._checkpoint()
            yield chunk

    def _checkpoint(self) -> None:
        # A format that goes through the images several times begins to count anew each time.
        source = self._source
        self._progress.checkpoint("files", done=source.position, total=source.count, files=self.count)


class _Progress:
    """Hears of cancellations all the time, and says how far the job is every now and then."""

    def __init__(self, sessions: Sessions, job: ActiveJob):
        self._sessions = sessions
        self._job = job
        self._said = time.monotonic()

    def checkpoint(self, stage: str, **counts: int) -> None:
        """counts: how far it is: `done` images of `total`, and `files` that are complete."""
        self._job.checkpoint(stage)
        if time.monotonic() - self._said > _PROGRESS_SECONDS:
            with unhurried_commit(self._sessions) as session:
                leases.report_progress(session, self._job.lease, {"phase": _PHASES[stage], **counts})
            self._said = time.monotonic()

    def counting(self, documents: Iterable[_Document]) -> Iterator[_Document]:
        """The documents, as they are read."""
        for number, document in enumerate(documents):
            self.checkpoint("snapshot", done=number)
            yield document


def _report(source: Snapshot, order: ExportOrder, notes: Notes) -> dict[str, Any]:
    return {
        "dataset": source.dataset,
        "version": None if order.wanted.version is None else str(order.wanted.version),
        "format": order.format.value,
        "images": source.count,
        "labels": [
            {"name": label.name, "colour": label.colour, "mask_index": label.mask_index}
            for label in source.labels
        ],
        "conversions": dict(sorted(notes.counts.items())),
        "notes": [
            {"code": note.code, "detail": note.detail} for note in notes.first[:_NOTES_SHOWN] if note.detail
        ],
    }


def _request(payload: ExportDataset) -> str:
    return hashlib.sha256(json.dumps(payload.to_json(), sort_keys=True).encode()).hexdigest()


def _content(source: Snapshot, order: ExportOrder) -> str:
    # Below a path every export has a prefix of its own, which its files name; they are compared without.
    root, source.root = source.root, order.output_path or ""
    try:
        return source.content()
    finally:
        source.root = root


def _file_name(name: str) -> str:
    """A name that any file system takes, and that still tells which dataset it is."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:100] or "dataset"
