"""Asking for imports, and what came of them; no HTTP."""

from collections.abc import Sequence
from uuid import UUID

from fourpoint_api.resources.jobs.operations import queue
from fourpoint_core.domain.transfers import ImportOrder, require_free_of_service
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.jobs.contracts import IMPORT_DATASET
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.payloads.transfers import ImportDataset
from fourpoint_core.storage.port import validate_prefix
from fourpoint_core.store.models import ImportedBox, ImportLine, Job, Label
from fourpoint_core.store.queries import boxes as stored_boxes
from fourpoint_core.store.queries import datasets, imports, jobs, samples
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Session, Sessions, note_result, reading, unit_of_work


def create(
    sessions: Sessions,
    dispatcher: Dispatcher,
    dataset_id: UUID,
    order: ImportOrder,
    author: UUID,
    request_id: str | None,
) -> Job:
    """Queue an import. Raises NotFoundError or InvalidInputError."""
    if (order.path is None) == (order.upload_id is None):
        raise InvalidInputError.at(
            "/path", "source_ambiguous", "Give either a path of the bucket or an upload."
        )
    if order.path is not None:
        _require_path(order.path)
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        if order.upload_id is not None:
            _hold_upload(session, dataset_id, order.upload_id)
        job = queue(
            session,
            IMPORT_DATASET,
            ImportDataset(dataset_id, order),
            author=author,
            request_id=request_id,
            dataset_id=dataset_id,
        )
        note_result(session, {"job_id": str(job.id)})
    dispatcher.dispatch([jobs.Message.about(job)])
    return job


def read(sessions: Sessions, dataset_id: UUID, job_id: UUID) -> Job:
    """An import. Raises NotFoundError."""
    with reading(sessions) as session:
        return imports.get_import(session, dataset_id, job_id)


def listing(sessions: Sessions, dataset_id: UUID, after: Keyset | None, limit: int) -> Page[Job]:
    """A page of a dataset's imports. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return imports.list_imports(session, dataset_id, after, limit)


def lines(
    sessions: Sessions, dataset_id: UUID, job_id: UUID, outcome: str | None, after: int, limit: int
) -> tuple[Sequence[ImportLine], int | None]:
    """What an import has to say, and where the rest begins. Raises NotFoundError."""
    with reading(sessions) as session:
        imports.get_import(session, dataset_id, job_id)
        return imports.list_lines(session, job_id, outcome, after, limit)


def boxes(sessions: Sessions, sample_id: UUID) -> Sequence[tuple[ImportedBox, Label]]:
    """The boxes kept for a sample. Raises NotFoundError."""
    with reading(sessions) as session:
        samples.get_sample(session, sample_id)
        return stored_boxes.boxes_of(session, sample_id)


def forget_box(sessions: Sessions, sample_id: UUID, box_id: UUID) -> None:
    """Remove a box. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        samples.get_sample(session, sample_id)
        stored_boxes.forget_box(session, sample_id, box_id)


def _require_path(path: str) -> None:
    try:
        validate_prefix(path)
    except InvalidInputError as error:
        raise InvalidInputError.at("/path", "path_invalid", error.detail) from error
    require_free_of_service(path, "/path")


def _hold_upload(session: Session, dataset_id: UUID, upload_id: UUID) -> None:
    upload = imports.hold_upload(session, dataset_id, upload_id, IMPORT_DATASET.deadline_seconds)
    if len(upload.files) != 1:
        raise InvalidInputError.at(
            "/upload_id", "upload_files", "Upload one file: an archive, or a file of annotations."
        )
    if upload.sample_ids is not None:
        raise InvalidInputError.at("/upload_id", "upload_files", "The upload has become images already.")
