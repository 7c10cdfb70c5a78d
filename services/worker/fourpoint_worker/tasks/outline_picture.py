"""Clicks that came from another tool, on an image that it sent, to the form that it wants."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fourpoint_core.domain.geometry import Contour
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import OUTLINE_PICTURE, JobKind
from fourpoint_core.jobs.payloads.pictures import Form, OutlinePicture
from fourpoint_core.storage.pictures import picture_key
from fourpoint_core.store.queries.samples import Photograph
from fourpoint_core.store.session import Session
from fourpoint_worker.formats import brush
from fourpoint_worker.formats.flattening import single_ring
from fourpoint_worker.formats.runs import contour_of, counts_of, runs_of
from fourpoint_worker.formats.values import FormatError, Notes
from fourpoint_worker.images import ImageCache
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Engine


class OutlinePictureWork:
    """See running.Work."""

    kind = OUTLINE_PICTURE

    def __init__(
        self,
        images: ImageCache,
        engine: Engine,
        observe: Callable[[JobKind, Mapping[str, float]], None] = lambda kind, milliseconds: None,
    ):
        """observe: told what each stage of an outline has taken."""
        self._images = images
        self._engine = engine
        self._observe = observe

    def do(self, payload: OutlinePicture, job: ActiveJob) -> dict[str, Any]:
        """Draw the outline, and say it in the form asked for. Raises InvalidInputError for no brush."""
        job.checkpoint("image")
        # Of no dataset: nothing here asks whose it is.
        photograph = Photograph(
            new_id(), payload.digest, picture_key(payload.digest), payload.width, payload.height
        )
        picture = self._images.picture(photograph, job.checkpoint)
        outline = draw_outline(self._engine, picture, _prompt(payload), job.checkpoint)
        stages = {"queue": job.milliseconds_queued, **outline.milliseconds}
        self._observe(self.kind, stages)
        return {
            "outline": _in_form(outline.contour, payload),
            "score": outline.score,
            "confident": outline.confident,
            "engine": self._engine.name,
            "model_digest": self._engine.model_digest,
            "milliseconds": {stage: round(value, 2) for stage, value in stages.items()},
        }

    def record(
        self, session: Session, payload: OutlinePicture, job: ActiveJob, outcome: dict[str, Any]
    ) -> dict[str, Any]:
        """Nothing is kept but the answer."""
        return outcome


def _prompt(payload: OutlinePicture) -> Prompt:
    prompt = payload.prompt or Prompt()
    if not payload.brush:
        return prompt
    try:
        painted = brush.decoded(list(payload.brush), payload.width, payload.height, None)
        contour = contour_of(painted, by_rows=True)
    except (FormatError, ValueError) as error:
        raise InvalidInputError(f"The brush cannot be read: {error}") from error
    if contour is None:
        raise InvalidInputError("The brush has painted nothing; paint, click or draw a box.")
    if prompt.points is None and prompt.box_prompt is None:
        prompt = replace(prompt, box_prompt=contour.bounding_box)
    return replace(prompt, contour=contour)


def _in_form(contour: Contour, payload: OutlinePicture) -> list[Any]:
    if payload.form is Form.RING:
        return [list(vertex) for vertex in single_ring(contour, Notes())]
    runs = runs_of(contour, payload.width, payload.height, by_rows=True)
    counts = counts_of(runs, payload.width, payload.width * payload.height)
    return counts if payload.form is Form.COUNTS else brush.encoded(counts)
