"""Stand-ins for what is not under test: a worker without a model, and stores that fail when told to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from uuid import UUID

from redis import Redis
from sqlalchemy import select
from tests.factories import contour_row

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import FourpointError, StorageUnavailableError
from fourpoint_core.jobs.contracts import InferContour
from fourpoint_core.jobs.events import JobEvent, announce
from fourpoint_core.storage import ObjectInfo, ObjectStore
from fourpoint_core.store.models import InferredContour, Job
from fourpoint_core.store.queries import annotations, leases
from fourpoint_core.store.session import Sessions, unit_of_work


class FakeWorker:
    """Ends jobs as a worker would, through the same queries and the same news, without a model."""

    def __init__(self, sessions: Sessions, redis: Redis):
        self._sessions = sessions
        self._redis = redis

    def claim(self, job_id: UUID) -> leases.ClaimedJob:
        """Take a queued job."""
        with unit_of_work(self._sessions) as session:
            claimed = leases.claim(session, job_id, "fake worker", 30.0)
        assert claimed is not None
        return claimed

    def draw_square(self, job_id: UUID) -> UUID:
        """Answer a click with a square; returns the contour's id."""
        claimed = self.claim(job_id)
        payload = InferContour.from_json(claimed.payload)
        contour = contour_row(payload.sample_id, payload.contour_id, job_id, payload.prompt)
        with unit_of_work(self._sessions) as session:
            annotations.record_contour(session, contour)
            leases.record_success(session, claimed.lease, _answer(contour, payload))
        announce(self._redis, JobEvent(job_id, JobState.SUCCEEDED))
        return contour.id

    def fail(self, job_id: UUID, error: FourpointError) -> None:
        """End a job badly."""
        claimed = self.claim(job_id)
        with unit_of_work(self._sessions) as session:
            leases.record_failure(session, claimed.lease, error, retryable=False)
        announce(self._redis, JobEvent(job_id, JobState.FAILED))

    @contextmanager
    def working(self, end: Callable[[UUID], Any] | None = None) -> Iterator[None]:
        """While the block runs, every job that is queued gets ended: by `end`, else by a square."""
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=(end or self.draw_square, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _work(self, end: Callable[[UUID], Any], stop: threading.Event) -> None:
        while not stop.wait(0.01):
            with unit_of_work(self._sessions) as session:
                queued = session.scalars(select(Job.id).where(Job.state == JobState.QUEUED.value)).all()
            for job_id in queued:
                end(job_id)


class FailingStore:
    """A store that does as the real one until its n-th write, which fails in the given way."""

    def __init__(self, store: ObjectStore, fail_at: int, error: BaseException | None = None):
        self._store = store
        self._writes_left = fail_at
        self._error = error or StorageUnavailableError("The disk is full.")

    def put(self, key: str, data: bytes | BinaryIO, **options: Any) -> ObjectInfo:
        """See ObjectStore.put."""
        self._writes_left -= 1
        if self._writes_left == 0:
            raise self._error
        return self._store.put(key, data, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class FailingDeletions:
    """A store that does as the real one, and removes nothing."""

    def __init__(self, store: ObjectStore):
        self._store = store

    def delete(self, key: str) -> None:
        """See ObjectStore.delete."""
        raise StorageUnavailableError("The bucket does not answer.")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _answer(contour: InferredContour, payload: InferContour) -> dict[str, Any]:
    return {
        "contour_id": str(contour.id),
        "sample_id": str(contour.sample_id),
        "contour": contour.contour,
        "bbox": contour.bounding_box,
        "area": contour.area,
        "vertices": 4,
        "score": contour.score,
        "confident": contour.confident,
        "engine": contour.engine,
        "model_digest": contour.model_digest,
        "prompt": contour.prompt,
        "milliseconds": contour.milliseconds,
        "save": payload.save.value,
    }
