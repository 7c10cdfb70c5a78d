"""Remove what a deleted dataset leaves behind, slice by slice; a second try goes on where the first stopped."""

from typing import Any

from fourpoint_core.jobs.contracts import PURGE_DATASET, PurgeDataset
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.queries import datasets, leases, trash
from fourpoint_core.store.queries.trash import Purged
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.removal import remove_condemned

SLICE = 200


class PurgeDatasetWork:
    """See running.Work."""

    kind = PURGE_DATASET

    def __init__(self, sessions: Sessions, store: ObjectStore):
        self._sessions = sessions
        self._store = store

    def do(self, payload: PurgeDataset, job: ActiveJob) -> dict[str, int]:
        """Remove samples, and their objects if asked; each slice is final once committed."""
        removed = {"samples": 0, "objects": 0}
        while True:
            job.checkpoint("slice")
            purged = self._purge_slice(payload, job, removed["samples"])
            if purged.seen == 0:
                return removed
            # Whether or not the images stay in the bucket: what was made from them goes with the rows.
            remove_condemned(self._sessions, self._store, purged.condemned_keys, purged.forgotten_digests)
            removed["samples"] += purged.samples
            removed["objects"] += len(purged.condemned_keys)

    def record(
        self, session: Session, payload: PurgeDataset, job: ActiveJob, outcome: dict[str, int]
    ) -> dict[str, Any]:
        """Remove the dataset itself."""
        datasets.purge_rest(session, payload.dataset_id)
        return {"dataset_id": str(payload.dataset_id), **outcome}

    def _purge_slice(self, payload: PurgeDataset, job: ActiveJob, done: int) -> Purged:
        condemned_by = job.lease.job_id if payload.delete_objects else None
        with unit_of_work(self._sessions) as session:
            leases.report_progress(session, job.lease, {"samples_removed": done})
            ids = trash.all_of(payload.dataset_id)
            return trash.purge(session, ids, SLICE, condemned_by=condemned_by, with_dataset=True)
