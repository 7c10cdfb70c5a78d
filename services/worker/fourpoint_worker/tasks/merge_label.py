"""Give the objects of one label to another, slice by slice; a second try goes on where the first stopped."""

from typing import Any

from fourpoint_core.jobs.contracts import MERGE_LABEL, MergeLabel
from fourpoint_core.store.queries import jobs, leases, relabeling
from fourpoint_core.store.queries.relabeling import Slice
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob

SLICE = 100


class MergeLabelWork:
    """See running.Work."""

    kind = MERGE_LABEL

    def __init__(self, sessions: Sessions):
        self._sessions = sessions

    def do(self, payload: MergeLabel, job: ActiveJob) -> None:
        """Write the revisions; each slice is final once committed, and counted with it."""
        while True:
            job.checkpoint("slice")
            if self._merge_slice(payload, job).samples == 0:
                return

    def record(self, session: Session, payload: MergeLabel, job: ActiveJob, outcome: None) -> dict[str, Any]:
        """Say how much was changed, by all tries together."""
        done = jobs.get_job(session, job.lease.job_id).progress
        return {**payload.to_json(), **(done or {})}

    def _merge_slice(self, payload: MergeLabel, job: ActiveJob) -> Slice:
        with unit_of_work(self._sessions) as session:
            # The lease first: who has lost it changes nothing.
            leases.require_lease(session, job.lease)
            if not relabeling.is_out_of_use(session, payload.label_id):
                return Slice(0, 0)
            slice_ = relabeling.merge_some(session, payload.label_id, payload.into, SLICE, job.author)
            leases.add_progress(
                session, job.lease, {"annotations": slice_.annotations, "samples": slice_.samples}
            )
            return slice_
