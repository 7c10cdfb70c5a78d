"""Have an image ready before the first click on it."""

from typing import Any
from uuid import UUID

from fourpoint_core.errors import (
    DamagedImageError,
    NotFoundError,
    ObjectMissingError,
    UnsupportedImageError,
)
from fourpoint_core.jobs.contracts import PREFETCH_SAMPLE, PrefetchSample
from fourpoint_core.store.queries import samples
from fourpoint_core.store.session import Session, Sessions, autocommit
from fourpoint_worker.images import ImageCache
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.segmenter.port import Engine, Urgency

# What is wrong with one image says nothing about the next.
_ITS_OWN_FAULT = (NotFoundError, ObjectMissingError, DamagedImageError, UnsupportedImageError)


class PrefetchSampleWork:
    """See running.Work."""

    kind = PREFETCH_SAMPLE

    def __init__(self, sessions: Sessions, images: ImageCache, engine: Engine):
        self._sessions = sessions
        self._images = images
        self._engine = engine

    def do(self, payload: PrefetchSample, job: ActiveJob) -> None:
        """Do what the first click on each image would wait for, the opened one first."""
        for sample_id in (payload.sample_id, *payload.ahead):
            try:
                self._prepare(sample_id, job)
            except _ITS_OWN_FAULT:
                # Of the image itself that is an answer; of a neighbour nobody has asked for anything.
                if sample_id == payload.sample_id:
                    raise

    def _prepare(self, sample_id: UUID, job: ActiveJob) -> None:
        job.checkpoint("image")
        with autocommit(self._sessions) as session:
            photograph = samples.get_photograph(session, sample_id)
        picture = self._images.picture(photograph, job.checkpoint, Urgency.PREFETCH)
        self._engine.prepare(picture, job.checkpoint)

    def record(
        self, session: Session, payload: PrefetchSample, job: ActiveJob, outcome: None
    ) -> dict[str, Any]:
        """Nothing is kept but the fact."""
        return {"sample_id": str(payload.sample_id)}
