"""Have an image decoded before the first click on it."""

from typing import Any

from fourpoint_core.jobs.contracts import PREFETCH_SAMPLE, PrefetchSample
from fourpoint_core.store.queries import samples
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.images import ImageCache
from fourpoint_worker.lease_keeper import ActiveJob


class PrefetchSampleWork:
    """See running.Work."""

    kind = PREFETCH_SAMPLE

    def __init__(self, sessions: Sessions, images: ImageCache):
        self._sessions = sessions
        self._images = images

    def do(self, payload: PrefetchSample, job: ActiveJob) -> None:
        """Fetch and decode."""
        job.checkpoint("image")
        with unit_of_work(self._sessions) as session:
            sample = samples.get_sample(session, payload.sample_id)
        self._images.upright(sample.digest, sample.object_key)

    def record(
        self, session: Session, payload: PrefetchSample, job: ActiveJob, outcome: None
    ) -> dict[str, Any]:
        """Nothing is kept but the fact."""
        return {"sample_id": str(payload.sample_id)}
