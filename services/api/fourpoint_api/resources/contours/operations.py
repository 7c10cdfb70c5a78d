"""Asking for an outline; no HTTP."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from fourpoint_api.resources.jobs.operations import queue as queue_job
from fourpoint_core.domain.filters import SampleFilter, Sort
from fourpoint_core.domain.labels import clean_label_name
from fourpoint_core.domain.prompts import prompt_from_json, validate_prompt
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import INFER_CONTOUR, PREFETCH_SAMPLE, InferContour, PrefetchSample, SaveMode
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.store.models import Job
from fourpoint_core.store.queries import annotations, jobs, labels, sample_filters, samples
from fourpoint_core.store.session import Session, Sessions, note_result, unit_of_work

MAX_CORRECTIONS = 64


@dataclass(frozen=True, slots=True)
class ContourRequest:
    """A prompt document as the contract has it, and what to do with the answer."""

    prompt: dict[str, Any]
    save: SaveMode
    annotation_id: UUID | None
    label_id: UUID | None
    label_name: str | None


def queue(
    sessions: Sessions,
    sample_id: UUID,
    wanted: ContourRequest,
    job_id: UUID,
    author: UUID,
    request_id: str | None,
    *,
    durable: bool,
    deadline_seconds: float | None = None,
) -> jobs.Message:
    """Check the prompt against the image and queue the job; publishing is the caller's next step.

    durable: whether the job must outlive a crash of PostgreSQL from now on, because its id is answered next.
    Whoever answers with the outcome can do without: the outcome's commit takes the job to the disk.
    deadline_seconds: where the outline is worth having for less long than usual.
    Raises NotFoundError, InvalidInputError or QueueFullError.
    """
    name = None if wanted.label_name is None else clean_label_name(wanted.label_name)
    with unit_of_work(sessions, durable=durable) as session:
        image = samples.get_photograph(session, sample_id)
        # A contour alone is a prompt, unless an annotation is named whose clicks are on record.
        alone = "contour" in wanted.prompt and wanted.annotation_id is None
        redraws = not alone and wanted.prompt.keys().isdisjoint({"points", "box"})
        if redraws:
            wanted = _from_kept_clicks(session, sample_id, wanted)
        prompt = prompt_from_json(wanted.prompt)
        named = isinstance(wanted.prompt.get("points"), dict)
        validate_prompt(prompt, image.width, image.height, named=named)
        if wanted.label_id is not None:
            _require_label(session, image.dataset_id, wanted.label_id)
        payload = InferContour(
            sample_id=sample_id,
            contour_id=new_id(),
            prompt=prompt,
            save=wanted.save,
            annotation_id=wanted.annotation_id or new_id(),
            label_id=wanted.label_id,
            label_name=name,
            redraws=redraws,
        )
        note_result(session, {"job_id": str(job_id)})
        return jobs.add_job(
            session,
            INFER_CONTOUR,
            payload,
            job_id=job_id,
            author=author,
            dataset_id=image.dataset_id,
            sample_id=sample_id,
            request_id=request_id,
            deadline_seconds=deadline_seconds,
        )


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The images that come next: how many, in which list."""

    count: int
    filter: SampleFilter
    sort: Sort


def queue_prefetch(
    sessions: Sessions,
    dispatcher: Dispatcher,
    sample_id: UUID,
    ahead: Neighbourhood,
    author: UUID,
    request_id: str | None,
) -> Job:
    """Have a worker prepare the image of a sample, and those that come next. Raises NotFoundError.

    What the same person has asked for before is cancelled: that image has been left.
    """
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id)
        following: list[UUID] = []
        if ahead.count:
            following = sample_filters.ids_after(session, sample_id, ahead.filter, ahead.sort, ahead.count)
        jobs.supersede(session, PREFETCH_SAMPLE, author)
        job = queue_job(
            session,
            PREFETCH_SAMPLE,
            PrefetchSample(sample_id, tuple(following)),
            author=author,
            request_id=request_id,
            dataset_id=sample.dataset_id,
            sample_id=sample_id,
        )
    dispatcher.dispatch([jobs.Message.about(job)])
    return job


def _from_kept_clicks(session: Session, sample_id: UUID, wanted: ContourRequest) -> ContourRequest:
    """The request, completed by what an annotation was made from. Raises InvalidInputError."""
    assert wanted.annotation_id is not None  # noqa: S101 - the schema asks for it where there are no clicks
    try:
        row = annotations.current_annotation(session, sample_id, wanted.annotation_id).row
    except NotFoundError as error:
        raise InvalidInputError.at("/annotation_id", "annotation_unknown", error.detail) from error
    if row.prompt is None:
        raise InvalidInputError.at(
            "/annotation_id", "no_clicks", "The annotation was drawn by hand; give points or a box."
        )
    corrections = {
        name: [*row.prompt.get(name, ()), *wanted.prompt.get(name, ())] for name in ("include", "exclude")
    }
    for name, points in corrections.items():
        if len(points) > MAX_CORRECTIONS:
            raise InvalidInputError.at(
                f"/{name}",
                "invalid",
                f"With those on record these are {len(points)} points; {MAX_CORRECTIONS} are the limit.",
            )
    return replace(wanted, prompt={**row.prompt, **wanted.prompt, **corrections}, label_id=row.label_id)


def _require_label(session: Session, dataset_id: UUID, label_id: UUID) -> None:
    try:
        labels.get_label(session, dataset_id, label_id)
    except NotFoundError as error:
        raise InvalidInputError.at("/label_id", "label_unknown", error.detail) from error
