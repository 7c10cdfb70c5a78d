"""Delete many samples, slice by slice.

What was deleted is no longer selected, so a second try goes on where the first one died; the counts go on
too, because they are committed with each slice. Cancelling leaves the rest of the samples alone.
"""

from typing import Any

from fourpoint_core.jobs.contracts import DELETE_SAMPLES, DeleteSamples
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.queries import jobs, leases, trash
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.removal import remove_condemned

SLICE = 200
Counts = dict[str, int]


class DeleteSamplesWork:
    """See running.Work."""

    kind = DELETE_SAMPLES

    def __init__(self, sessions: Sessions, store: ObjectStore):
        self._sessions = sessions
        self._store = store

    def do(self, payload: DeleteSamples, job: ActiveJob) -> Counts:
        """Put the samples into the trash, or remove them with their objects; each slice is final."""
        take_slice = self._purge_slice if payload.delete_source else self._trash_slice
        while True:
            job.checkpoint("slice")
            seen, counts = take_slice(payload, job)
            if seen == 0:
                return counts

    def record(
        self, session: Session, payload: DeleteSamples, job: ActiveJob, outcome: Counts
    ) -> dict[str, Any]:
        """Say what was done."""
        return {
            "dataset_id": str(payload.dataset_id),
            "deletion_id": str(payload.deletion_id),
            **outcome,
        }

    def _trash_slice(self, payload: DeleteSamples, job: ActiveJob) -> tuple[int, Counts]:
        with unit_of_work(self._sessions) as session:
            ids = trash.selected(payload.dataset_id, payload.selection)
            thrown = trash.throw_away(session, ids, payload.deletion_id, job.author, SLICE)
            return thrown.seen, _count(session, job, samples=len(thrown.taken))

    def _purge_slice(self, payload: DeleteSamples, job: ActiveJob) -> tuple[int, Counts]:
        with unit_of_work(self._sessions) as session:
            ids = trash.selected(payload.dataset_id, payload.selection)
            purged = trash.purge(session, ids, SLICE, condemned_by=job.lease.job_id, author=job.author)
            counts = _count(
                session,
                job,
                samples=purged.samples,
                objects_removed=len(purged.condemned_keys),
                objects_shared=len(purged.shared_keys),
                samples_pinned=purged.pinned,
            )
        remove_condemned(self._sessions, self._store, purged.condemned_keys, purged.forgotten_digests)
        return purged.seen, counts


def _count(session: Session, job: ActiveJob, **done: int) -> Counts:
    """Add to what this job has done, in all its tries."""
    leases.add_progress(session, job.lease, done)
    return jobs.get_job(session, job.lease.job_id).progress or {}
