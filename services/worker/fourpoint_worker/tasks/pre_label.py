"""Draw the outlines of many annotations again, image by image, for somebody to confirm.

A slice ends after some seconds and queues the job again behind others. Each image is committed by itself,
together with its place in the order of ids, so another try, by whichever worker, goes on with the next image.
An image at which the process has ended twice is left out: it would end every try.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fourpoint_core.domain.annotations import TRAITS, Content, NewAnnotation, Traits, check_document_size
from fourpoint_core.domain.geometry import contour_to_json
from fourpoint_core.domain.prompts import Prompt, prompt_from_json, prompt_to_json
from fourpoint_core.domain.re_inference import prompt_of
from fourpoint_core.errors import (
    DamagedImageError,
    FourpointError,
    InvalidInputError,
    LabelDeletedError,
    NoOutlineError,
    NotFoundError,
    ObjectMissingError,
    UnsupportedImageError,
)
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import PRE_LABEL, JobKind
from fourpoint_core.jobs.payloads.outlines import PreLabel
from fourpoint_core.store.models import Annotation, ImportedBox, InferredContour
from fourpoint_core.store.queries import annotations, jobs, leases, samples, suggestions, trash
from fourpoint_core.store.queries.samples import Photograph
from fourpoint_core.store.session import Session, Sessions, reading, unit_of_work
from fourpoint_worker.images import ImageCache
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.running import Unfinished
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Engine, Outline, Urgency

logger = logging.getLogger(__name__)
SLICE_SECONDS = 5.0
MOST_DEATHS = 2
_IMAGES_AT_ONCE = 16
# About this image or object, now and later: the job counts it and goes on.
_ITS_OWN_FAULT = (
    NoOutlineError,
    ObjectMissingError,
    DamagedImageError,
    UnsupportedImageError,
    NotFoundError,
    InvalidInputError,
    LabelDeletedError,
)

# In the progress, and no count: the last image that is done, and how many tries had died when it was.
_PLACE = ("after", "deaths")


@dataclass(frozen=True, slots=True)
class _Scene:
    """An image, and what is to be drawn on it: rows and imported boxes as they were read, and their prompts."""

    sample_id: UUID
    photograph: Photograph
    rows: Mapping[UUID, Annotation]
    boxes: Mapping[UUID, ImportedBox]
    prompts: Mapping[UUID, Prompt]


@dataclass(slots=True)
class _Result:
    """Outlines by the ids of their objects; failed: objects that got none."""

    outlines: dict[UUID, Outline] = field(default_factory=dict)
    failed: int = 0


class PreLabelWork:
    """See running.Work.

    let_clicks_pass: called between images; whoever clicks goes first. stops: whether the process is to end.
    observe: told what each stage of an outline has taken.
    """

    kind = PRE_LABEL

    def __init__(
        self,
        sessions: Sessions,
        images: ImageCache,
        engine: Engine,
        let_clicks_pass: Callable[[], None] = lambda: None,
        stops: Callable[[], bool] = lambda: False,
        observe: Callable[[JobKind, Mapping[str, float]], None] = lambda kind, milliseconds: None,
    ):
        self._sessions = sessions
        self._images = images
        self._engine = engine
        self._let_clicks_pass = let_clicks_pass
        self._stops = stops
        self._observe = observe

    def do(self, payload: PreLabel, job: ActiveJob) -> Unfinished | dict[str, Any]:
        """A slice of the images; how far the job is, or Unfinished."""
        give_up_at = time.monotonic() + SLICE_SECONDS
        deaths = self._begin(payload, job)
        while ids := self._next_ids(payload, job):
            for sample_id in ids:
                job.checkpoint("next image")
                self._let_clicks_pass()
                if deaths >= MOST_DEATHS:
                    self._leave_out(payload, job, sample_id)
                    # The next image is to have all tries for itself.
                    return Unfinished()
                self._do_one(payload, job, sample_id)
                if time.monotonic() > give_up_at or self._stops():
                    return Unfinished()
        return self._progress(job)

    def record(
        self, session: Session, payload: PreLabel, job: ActiveJob, outcome: dict[str, Any]
    ) -> dict[str, Any]:
        """Say what was done."""
        return {
            "dataset_id": str(payload.dataset_id),
            "engine": self._engine.name,
            "model_digest": self._engine.model_digest,
            **{name: count for name, count in outcome.items() if name not in _PLACE},
        }

    def _begin(self, payload: PreLabel, job: ActiveJob) -> int:
        """How many tries have died at the image that is next; say at first of how many images this is."""
        job.checkpoint("count")
        if progress := self._progress(job):
            with reading(self._sessions) as session:
                died = leases.deaths_of(session, job.lease.job_id)
            # The version before did not note how many it was.
            return died - int(progress.get("deaths", died))
        with unit_of_work(self._sessions) as session:
            total = suggestions.count_with_objects(
                session, trash.selected(payload.dataset_id, payload.selection)
            )
            counts = {"samples": 0, "changed": 0, "annotations": 0, "failed": 0}
            leases.report_progress(session, job.lease, {"total": total, **counts, "deaths": 0})
        return 0

    def _progress(self, job: ActiveJob) -> dict[str, Any]:
        with reading(self._sessions) as session:
            return jobs.get_job(session, job.lease.job_id).progress or {}

    def _next_ids(self, payload: PreLabel, job: ActiveJob) -> list[UUID]:
        after = self._progress(job).get("after")
        with reading(self._sessions) as session:
            ids = trash.selected(payload.dataset_id, payload.selection)
            page = suggestions.with_objects(ids, None if after is None else UUID(after), _IMAGES_AT_ONCE)
            return list(session.scalars(page))

    def _do_one(self, payload: PreLabel, job: ActiveJob, sample_id: UUID) -> None:
        scene = self._look(payload, sample_id)
        result = _Result() if scene is None else self._draw(scene, job)
        try:
            self._keep(job, sample_id, scene, result)
        except Exception as error:  # noqa: BLE001 - what is of another kind is raised again
            # Nothing of it fits: the document is full, or a label is gone.
            _require_its_own_fault(error)
            self._keep(job, sample_id, None, _Result(failed=result.failed + len(result.outlines)))

    def _leave_out(self, payload: PreLabel, job: ActiveJob, sample_id: UUID) -> None:
        scene = self._look(payload, sample_id)
        logger.error("an image has ended the process twice; it is left out", extra={"sample": sample_id})
        self._keep(job, sample_id, None, _Result(failed=0 if scene is None else len(scene.prompts)))

    def _look(self, payload: PreLabel, sample_id: UUID) -> _Scene | None:
        """None where the image was deleted since the page was read."""
        with unit_of_work(self._sessions) as session:
            try:
                photograph = samples.get_photograph(session, sample_id)
            except NotFoundError:
                return None
            rows = annotations.current_rows(session, sample_id)
            boxes = suggestions.boxes_of(session, sample_id)
            inferred = suggestions.inferred_shapes(session, rows.values())
        prompts = {key: prompt_from_json(box.prompt) for key, box in boxes.items()}
        for key, row in rows.items():
            prompt = prompt_of(row.prompt, row.contour)
            if prompt is not None and self._is_wanted(payload, row, inferred):
                prompts[key] = prompt
        return _Scene(sample_id, photograph, rows, boxes, prompts)

    def _is_wanted(self, payload: PreLabel, row: Annotation, inferred: Mapping[UUID, object]) -> bool:
        is_edited = row.contour_id is not None and inferred.get(row.contour_id) != row.contour
        if is_edited:
            return payload.edited
        # What this very model has drawn from these clicks it would draw again.
        return row.contour_id is None or row.model_digest != self._engine.model_digest

    def _draw(self, scene: _Scene, job: ActiveJob) -> _Result:
        result = _Result()
        if not scene.prompts:
            return result
        picture = self._images.picture(scene.photograph, job.checkpoint, Urgency.BATCH)
        for key, prompt in scene.prompts.items():
            try:
                outline = draw_outline(self._engine, picture, prompt, job.checkpoint, Urgency.BATCH)
            except Exception as error:  # noqa: BLE001 - what is of another kind is raised again
                _require_its_own_fault(error)
                result.failed += 1
            else:
                self._observe(self.kind, outline.milliseconds)
                result.outlines[key] = outline
        return result

    def _keep(self, job: ActiveJob, sample_id: UUID, scene: _Scene | None, result: _Result) -> None:
        job.checkpoint("record")
        with unit_of_work(self._sessions) as session:
            # The lease first: who has lost it changes nothing.
            leases.require_lease(session, job.lease)
            changed = 0 if scene is None else self._propose(session, job, scene, result)
            progress = dict(jobs.get_job(session, job.lease.job_id).progress or {})
            for name, count in (
                ("samples", 1),
                ("changed", changed > 0),
                ("annotations", changed),
                ("failed", result.failed),
            ):
                progress[name] = progress.get(name, 0) + count
            place = {"after": str(sample_id), "deaths": leases.deaths_of(session, job.lease.job_id)}
            leases.report_progress(session, job.lease, {**progress, **place})

    def _propose(self, session: Session, job: ActiveJob, scene: _Scene, result: _Result) -> int:
        if not result.outlines:
            return 0
        sample = samples.get_sample(session, scene.sample_id, lock=True)
        current = annotations.current_rows(session, sample.id)
        contents: dict[UUID, Content] = {}
        boxes = suggestions.boxes_of(session, sample.id)
        for key, outline in result.outlines.items():
            row, box = current.get(key), boxes.get(key)
            if box is None and not _is_as_read(row, scene.rows.get(key)):
                # Somebody has changed, deleted or made the object since: what he said counts.
                continue
            contour = _contour_row(self._engine, job, scene, key, outline)
            annotations.record_contour(session, contour)
            provenance = annotations.provenance_of(contour)
            if row is not None:
                content = annotations.content_of(row).with_provenance(provenance)
                contents[key] = content.with_contour(outline.contour)
            elif box is not None:
                traits = Traits(**{name: box.traits[name] for name in TRAITS if name in box.traits})
                contents[key] = NewAnnotation(key, box.label_id, outline.contour, provenance, traits).content
        kept = {key: row.vertex_count or 0 for key, row in current.items()}
        sizes = kept | {key: content.vertex_count for key, content in contents.items()}
        check_document_size(len(sizes), sum(sizes.values()))
        return suggestions.propose(session, sample, contents, job.author)


def _require_its_own_fault(error: Exception) -> None:
    """Raise what is about the job, the device or the service, and would meet the next image just so."""
    if isinstance(error, FourpointError):
        if not isinstance(error, _ITS_OWN_FAULT):
            raise error
    else:
        logger.error("an outline failed in a way nobody foresaw", exc_info=error)


def _is_as_read(row: Annotation | None, read: Annotation | None) -> bool:
    return row is not None and read is not None and row.valid_from == read.valid_from


def _contour_row(engine: Engine, job: ActiveJob, scene: _Scene, key: UUID, outline: Outline) -> InferredContour:
    return InferredContour(
        id=new_id(),
        sample_id=scene.sample_id,
        job_id=job.lease.job_id,
        prompt=prompt_to_json(scene.prompts[key]),
        contour=contour_to_json(outline.contour),
        bounding_box=outline.contour.bounding_box.as_list(),
        area=outline.contour.area,
        score=outline.score,
        confident=outline.confident,
        engine=engine.name,
        model_digest=engine.model_digest,
        milliseconds={stage: round(spent, 2) for stage, spent in outline.milliseconds.items()},
        created_by=job.author,
    )
