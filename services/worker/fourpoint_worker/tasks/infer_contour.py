"""Four clicks to a contour, and where the person wants it kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fourpoint_core.domain.annotations import NewAnnotation
from fourpoint_core.domain.geometry import contour_to_json
from fourpoint_core.domain.prompts import prompt_to_json
from fourpoint_core.errors import IdTakenError
from fourpoint_core.jobs.contracts import INFER_CONTOUR, InferContour, JobKind, SaveMode
from fourpoint_core.store.models import InferredContour, Label, Sample
from fourpoint_core.store.queries import annotations, drafts, labels, samples
from fourpoint_core.store.session import Session, Sessions, autocommit
from fourpoint_worker.images import ImageCache
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Engine, Outline


@dataclass(frozen=True, slots=True)
class _Drawn:
    outline: Outline
    milliseconds: dict[str, float]


class InferContourWork:
    """See running.Work."""

    kind = INFER_CONTOUR

    def __init__(
        self,
        sessions: Sessions,
        images: ImageCache,
        engine: Engine,
        observe: Callable[[JobKind, Mapping[str, float]], None] = lambda kind, milliseconds: None,
    ):
        """observe: told what each stage of an outline has taken."""
        self._sessions = sessions
        self._images = images
        self._engine = engine
        self._observe = observe

    def do(self, payload: InferContour, job: ActiveJob) -> _Drawn:
        """Draw the outline."""
        job.checkpoint("image")
        with autocommit(self._sessions) as session:
            photograph = samples.get_photograph(session, payload.sample_id)
        picture = self._images.picture(photograph, job.checkpoint)
        outline = draw_outline(self._engine, picture, payload.prompt, job.checkpoint)
        stages = {"queue": job.milliseconds_queued, **outline.milliseconds}
        self._observe(self.kind, stages)
        return _Drawn(outline, {stage: round(value, 2) for stage, value in stages.items()})

    def record(
        self, session: Session, payload: InferContour, job: ActiveJob, outcome: _Drawn
    ) -> dict[str, Any]:
        """Keep the contour, and add it to the draft or the document where the request asked for that."""
        contour = self._contour_row(payload, job, outcome)
        answer = _answer(payload, contour)
        if payload.save is SaveMode.NONE:
            # Only whether it is still there.
            samples.get_photograph(session, payload.sample_id)
            annotations.record_contour(session, contour)
            return answer
        sample = samples.get_sample(session, payload.sample_id, lock=True)
        try:
            saved = _save(session, sample, payload, contour, outcome, job.author)
        except IdTakenError:
            earlier = _answered_before(session, sample, payload, contour)
            if earlier is None:
                raise
            return earlier
        annotations.record_contour(session, contour)
        return answer | saved

    def _contour_row(self, payload: InferContour, job: ActiveJob, drawn: _Drawn) -> InferredContour:
        outline = drawn.outline
        return InferredContour(
            id=payload.contour_id,
            sample_id=payload.sample_id,
            job_id=job.lease.job_id,
            prompt=prompt_to_json(payload.prompt),
            contour=contour_to_json(outline.contour),
            bounding_box=outline.contour.bounding_box.as_list(),
            area=outline.contour.area,
            score=outline.score,
            confident=outline.confident,
            engine=self._engine.name,
            model_digest=self._engine.model_digest,
            milliseconds=drawn.milliseconds,
            created_by=job.author,
        )


def _answer(payload: InferContour, row: InferredContour) -> dict[str, Any]:
    return {
        "contour_id": str(row.id),
        "sample_id": str(row.sample_id),
        "contour": row.contour,
        "bbox": row.bounding_box,
        "area": row.area,
        "vertices": sum(len(ring) for part in row.contour["parts"] for ring in (part["outer"], *part["holes"])),
        "score": row.score,
        "confident": row.confident,
        "engine": row.engine,
        "model_digest": row.model_digest,
        "prompt": row.prompt,
        "milliseconds": row.milliseconds,
        "save": payload.save.value,
    }


def _save(
    session: Session,
    sample: Sample,
    payload: InferContour,
    row: InferredContour,
    drawn: _Drawn,
    author: UUID,
) -> dict[str, Any]:
    """Save as the request asked; what the answer says about it."""
    if payload.redraws and payload.save is SaveMode.DOCUMENT:
        return _redraw(session, sample, payload, row, drawn, author)
    if payload.save is SaveMode.DRAFT:
        entry = {"id": str(payload.annotation_id), "contour_id": str(row.id), "contour": row.contour}
        drafts.add_to_draft(session, sample, author, entry | _label_of_draft(session, sample, payload))
        return {"annotation_id": str(payload.annotation_id)}
    label = _label(session, sample, payload)
    new = NewAnnotation(payload.annotation_id, label.id, drawn.outline.contour, annotations.provenance_of(row))
    annotations.add_annotation(session, sample, new, author)
    drafts.take_from_draft(session, sample.id, author, payload.annotation_id)
    return {"annotation_id": str(payload.annotation_id), "revision": sample.revision}


def _answered_before(
    session: Session, sample: Sample, payload: InferContour, row: InferredContour
) -> dict[str, Any] | None:
    """The answer to the same request, where it was sent before: the id is the client's, and names it."""
    label = _label(session, sample, payload)
    found = annotations.drawn_before(session, sample, payload.annotation_id, row.prompt, label.id)
    if found is None:
        return None
    drawn, revision = found
    return _answer(payload, drawn) | {"annotation_id": str(payload.annotation_id), "revision": revision}


def _redraw(
    session: Session,
    sample: Sample,
    payload: InferContour,
    row: InferredContour,
    drawn: _Drawn,
    author: UUID,
) -> dict[str, Any]:
    """Give the object that the clicks belong to its new outline; all else about it stays."""
    found = annotations.current_annotation(session, sample.id, payload.annotation_id)
    content = annotations.content_of(found.row).with_provenance(annotations.provenance_of(row))
    annotations.change_annotation(
        session, sample, found.row, content.with_contour(drawn.outline.contour), author
    )
    return {"annotation_id": str(payload.annotation_id), "revision": sample.revision}


def _label_of_draft(session: Session, sample: Sample, payload: InferContour) -> dict[str, str]:
    # A draft is one person's, and labels are everybody's: one that is new is made when the draft is saved.
    name = payload.label_name
    if name is not None and labels.find_label(session, sample.dataset_id, name) is None:
        return {"label": name}
    return {"label_id": str(_label(session, sample, payload).id)}


def _label(session: Session, sample: Sample, payload: InferContour) -> Label:
    if payload.label_id is not None:
        return labels.get_label(session, sample.dataset_id, payload.label_id)
    label, _ = labels.label_named(session, sample.dataset_id, payload.label_name or "")
    return label
