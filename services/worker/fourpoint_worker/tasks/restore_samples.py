"""Take many samples out of the trash, slice by slice; a second try goes on where the first stopped."""

from typing import Any

from fourpoint_core.jobs.contracts import RESTORE_SAMPLES, RestoreSamples
from fourpoint_core.store.queries import jobs, leases, trash
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob

SLICE = 200


class RestoreSamplesWork:
    """See running.Work."""

    kind = RESTORE_SAMPLES

    def __init__(self, sessions: Sessions):
        self._sessions = sessions

    def do(self, payload: RestoreSamples, job: ActiveJob) -> int:
        """Restore the samples; each slice is final. Returns how many, in all tries."""
        while True:
            job.checkpoint("slice")
            seen, restored = self._restore_slice(payload, job)
            if seen == 0:
                return restored

    def record(self, session: Session, payload: RestoreSamples, job: ActiveJob, outcome: int) -> dict[str, Any]:
        """Say what was done."""
        return {"dataset_id": str(payload.dataset_id), "samples": outcome}

    def _restore_slice(self, payload: RestoreSamples, job: ActiveJob) -> tuple[int, int]:
        with unit_of_work(self._sessions) as session:
            ids = trash.trashed(payload.dataset_id, payload.ids, payload.deletion_id)
            slice_ = trash.take_back(session, payload.dataset_id, ids, SLICE)
            leases.add_progress(session, job.lease, {"samples": len(slice_.taken)})
            done = jobs.get_job(session, job.lease.job_id).progress or {}
            return slice_.seen, done["samples"]
