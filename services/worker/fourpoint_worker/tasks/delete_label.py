"""Remove what a deleted label named, slice by slice; a second try goes on where the first stopped.

A label that is brought back meanwhile keeps what it still has.
"""

from typing import Any

from fourpoint_core.domain.labels import DeletionPolicy
from fourpoint_core.jobs.contracts import DELETE_LABEL, DeleteLabel
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.queries import jobs, leases, relabeling, trash
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.removal import remove_condemned

SLICE = 100


class DeleteLabelWork:
    """See running.Work."""

    kind = DELETE_LABEL

    def __init__(self, sessions: Sessions, store: ObjectStore):
        self._sessions = sessions
        self._store = store

    def do(self, payload: DeleteLabel, job: ActiveJob) -> None:
        """Write the revisions, or remove the images; a slice is final once committed, and counted with it."""
        step = {
            DeletionPolicy.LABEL: self._empty_some,
            DeletionPolicy.SAMPLES: self._throw_away_some,
            DeletionPolicy.SAMPLES_AND_SOURCE: self._purge_some,
        }[payload.policy]
        while True:
            job.checkpoint("slice")
            if step(payload, job) == 0:
                return

    def record(self, session: Session, payload: DeleteLabel, job: ActiveJob, outcome: None) -> dict[str, Any]:
        """Say how much was removed, by all tries together."""
        done = jobs.get_job(session, job.lease.job_id).progress
        return {**payload.to_json(), **(done or {})}

    def _empty_some(self, payload: DeleteLabel, job: ActiveJob) -> int:
        """Take the label's objects out of some documents; of how many."""
        with unit_of_work(self._sessions) as session:
            # The lease first: who has lost it changes nothing.
            leases.require_lease(session, job.lease)
            if not relabeling.is_out_of_use(session, payload.label_id):
                return 0
            emptied = relabeling.delete_some(session, payload.label_id, SLICE, job.author)
            done = {"annotations": emptied.annotations, "samples": emptied.samples}
            leases.add_progress(session, job.lease, done)
        return emptied.samples

    def _throw_away_some(self, payload: DeleteLabel, job: ActiveJob) -> int:
        """Put some images that show the label into the trash; how many were looked at."""
        ids = relabeling.samples_with(payload.dataset_id, payload.label_id)
        with unit_of_work(self._sessions) as session:
            leases.require_lease(session, job.lease)
            if not relabeling.is_out_of_use(session, payload.label_id):
                return 0
            thrown = trash.throw_away(session, ids, job.lease.job_id, job.author, SLICE)
            leases.add_progress(session, job.lease, {"samples": len(thrown.taken)})
        return thrown.seen

    def _purge_some(self, payload: DeleteLabel, job: ActiveJob) -> int:
        """Remove some images that show the label for good, with their files; how many were looked at."""
        ids = relabeling.samples_with(payload.dataset_id, payload.label_id)
        with unit_of_work(self._sessions) as session:
            leases.require_lease(session, job.lease)
            if not relabeling.is_out_of_use(session, payload.label_id):
                return 0
            purged = trash.purge(session, ids, SLICE, condemned_by=job.lease.job_id, author=job.author)
            done = {"samples": purged.samples, "objects": len(purged.condemned_keys)}
            leases.add_progress(session, job.lease, done)
        remove_condemned(self._sessions, self._store, purged.condemned_keys, purged.forgotten_digests)
        return purged.seen
