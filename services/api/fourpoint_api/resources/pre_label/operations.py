"""Having outlines drawn in bulk, and reviewing them; no HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from fourpoint_api.resources.annotations.operations import Document, document_of
from fourpoint_api.resources.annotations.preconditions import Precondition
from fourpoint_api.resources.jobs.operations import queue
from fourpoint_core.domain.deletion import Selection
from fourpoint_core.domain.filters import SampleFilter
from fourpoint_core.jobs.contracts import (
    PRE_LABEL,
    REVIEW_OUTLINES,
    JobKind,
    Payload,
)
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.payloads.outlines import PreLabel, ReviewOutlines, Verdict
from fourpoint_core.store.models import Job
from fourpoint_core.store.queries import datasets, jobs, samples, suggestions, trash
from fourpoint_core.store.session import Sessions, note_result, unit_of_work


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks, in which request, and by whom the message is sent."""

    author: UUID
    request_id: str | None
    dispatcher: Dispatcher


def draw_again(
    sessions: Sessions,
    dataset_id: UUID,
    ids: Sequence[UUID] | None,
    wanted: SampleFilter | None,
    order: Order,
    *,
    edited: bool,
) -> Job:
    """Queue the job that draws the outlines. Raises NotFoundError."""
    return _queue(
        sessions,
        dataset_id,
        PRE_LABEL,
        _selection(ids, wanted),
        lambda selection: PreLabel(dataset_id, selection, edited),
        order,
    )


def review_many(
    sessions: Sessions,
    dataset_id: UUID,
    ids: Sequence[UUID] | None,
    wanted: SampleFilter | None,
    verdict: Verdict,
    order: Order,
) -> Job:
    """Queue the job that confirms or rejects all unconfirmed outlines of the images. Raises NotFoundError."""
    return _queue(
        sessions,
        dataset_id,
        REVIEW_OUTLINES,
        _selection(ids, wanted),
        lambda selection: ReviewOutlines(dataset_id, selection, verdict),
        order,
    )


def review(
    sessions: Sessions,
    sample_id: UUID,
    chosen: Sequence[UUID] | None,
    verdict: Verdict,
    expected: Precondition,
    author: UUID,
) -> Document:
    """Confirm or reject unconfirmed outlines of one image; those that do not wait are left alone.

    Raises NotFoundError, StaleDocumentError or LabelDeletedError.
    """
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id, lock=True)
        expected.require(session, sample)
        suggestions.review(session, sample, None if chosen is None else set(chosen), verdict, author)
        return document_of(session, sample)


def done_before(sessions: Sessions, result: dict[str, str]) -> Job:
    """The job of a request whose answer was lost. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        return jobs.get_job(session, UUID(result["job_id"]))


def _selection(ids: Sequence[UUID] | None, wanted: SampleFilter | None) -> Selection:
    # Unlike a deletion, it may mean all of the dataset, when somebody says so.
    return Selection(filter=wanted) if wanted is not None else Selection(ids=tuple(dict.fromkeys(ids or ())))


def _queue(
    sessions: Sessions,
    dataset_id: UUID,
    kind: JobKind,
    selection: Selection,
    payload_of: Callable[[Selection], Payload],
    order: Order,
) -> Job:
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        # What comes later was not meant.
        payload = payload_of(selection.as_of(trash.now(session)))
        job = queue(
            session, kind, payload, author=order.author, request_id=order.request_id, dataset_id=dataset_id
        )
        note_result(session, {"job_id": str(job.id)})
    order.dispatcher.dispatch([jobs.Message.about(job)])
    return job
