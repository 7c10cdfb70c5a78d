"""Have an image ready before the first click on it."""

from typing import Any

from fourpoint_core.jobs.contracts import PREFETCH_SAMPLE, PrefetchSample
from fourpoint_core.store.queries import samples
from fourpoint_core.store.session import Session, Sessions, autocommit
from fourpoint_worker.images import ImageCache
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.segmenter.port import Engine


class PrefetchSampleWork:
    """See running.Work."""

    kind = PREFETCH_SAMPLE

    def __init__(self, sessions: Sessions, images: ImageCache, engine: Engine):
        self._sessions = sessions
        self._images = images
        self._engine = engine

    def do(self, payload: PrefetchSample, job: ActiveJob) -> None:
        """Do what the first click would wait for."""
        job.checkpoint("image")
        with autocommit(self._sessions) as session:
            photograph = samples.get_photograph(session, payload.sample_id)
        picture = self._images.picture(photograph)
        self._engine.prepare(picture, job.checkpoint)

    def record(
        self, session: Session, payload: PrefetchSample, job: ActiveJob, outcome: None
    ) -> dict[str, Any]:
        """Nothing is kept but the fact."""
        return {"sample_id": str(payload.sample_id)}
