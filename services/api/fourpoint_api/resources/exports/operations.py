"""Asking for exports, and what came of them; no HTTP."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from fourpoint_api.resources.jobs.operations import queue
from fourpoint_core.domain.filters import SampleFilter
from fourpoint_core.domain.transfers import ExportOrder, require_free_of_service
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.jobs.contracts import EXPORT_DATASET
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.payloads.transfers import ExportDataset
from fourpoint_core.storage.port import validate_prefix
from fourpoint_core.store.models import Export, Job
from fourpoint_core.store.queries import audit, datasets, exports, jobs, versions
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Sessions, note_result, preparation, reading, unit_of_work


def create(
    sessions: Sessions,
    dispatcher: Dispatcher,
    dataset_id: UUID,
    order: ExportOrder,
    author: UUID,
    request_id: str | None,
) -> Job:
    """Queue an export, or join one of just the same that has not begun.

    Raises NotFoundError, or InvalidInputError for a path that files may not go to, or ids beside a filter.
    """
    if order.ids and replace(order.wanted, version=None) != SampleFilter():
        raise InvalidInputError.at(
            "/ids", "selection_ambiguous", "Give `ids` or a `filter`; a `version` goes with either."
        )
    payload = ExportDataset(dataset_id, order)
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        if order.wanted.version is not None:
            versions.get_published(session, dataset_id, order.wanted.version)
        if order.output_path is not None:
            _require_output_path(order.output_path)
            other = exports.overlapping_dataset(session, order.output_path)
            if other is not None:
                raise InvalidInputError.at(
                    "/output_path",
                    "path_taken",
                    f"Images of the dataset {other.name!r} lie there; choose a path beside them.",
                )
        job = exports.queued_same(session, payload)
        is_new = job is None
        if job is None:
            job = queue(
                session,
                EXPORT_DATASET,
                payload,
                author=author,
                request_id=request_id,
                dataset_id=dataset_id,
            )
        note_result(session, {"job_id": str(job.id)})
    if is_new:
        dispatcher.dispatch([jobs.Message.about(job)])
    return job


def read(sessions: Sessions, dataset_id: UUID, export_id: UUID) -> Export:
    """An export. Raises NotFoundError."""
    with reading(sessions) as session:
        return exports.get_export(session, dataset_id, export_id)


def listing(sessions: Sessions, dataset_id: UUID, after: Keyset | None, limit: int) -> Page[Export]:
    """A page of a dataset's exports. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return exports.list_exports(session, dataset_id, after, limit)


def remove(sessions: Sessions, dataset_id: UUID, export_id: UUID) -> None:
    """Have an export gone; its archive follows with the next sweep. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        exports.expire(session, exports.get_export(session, dataset_id, export_id).id)
        audit.add(session, "export", "deleted", export_id, dataset_id=dataset_id)


def note_download(sessions: Sessions, export: Export, address: str | None) -> None:
    """Write into the audit log that an archive goes to an address; once a day, as it may go in many parts."""
    once = f"download {export.id} {address} {datetime.now(UTC):%Y-%m-%d}"
    with preparation(sessions) as session:
        details = {"bytes": export.size_bytes}
        audit.add(
            session,
            "export",
            "downloaded",
            export.id,
            dataset_id=export.dataset_id,
            details=details,
            once=once,
        )


def _require_output_path(path: str) -> None:
    if not path.endswith("/"):
        raise InvalidInputError.at("/output_path", "path_invalid", "End the path with a slash.")
    try:
        validate_prefix(path)
    except InvalidInputError as error:
        raise InvalidInputError.at("/output_path", "path_invalid", error.detail) from error
    require_free_of_service(path, "/output_path")
