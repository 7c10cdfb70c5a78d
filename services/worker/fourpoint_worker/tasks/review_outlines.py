"""Confirm or reject what a batch has drawn, slice by slice.

What was reviewed is no longer selected, so a second try goes on where the first one died.
"""

from typing import Any

from fourpoint_core.jobs.contracts import REVIEW_OUTLINES
from fourpoint_core.jobs.payloads.outlines import ReviewOutlines
from fourpoint_core.store.queries import jobs, leases, suggestions, trash
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob

SLICE = 100
Counts = dict[str, int]


class ReviewOutlinesWork:
    """See running.Work."""

    kind = REVIEW_OUTLINES

    def __init__(self, sessions: Sessions):
        self._sessions = sessions

    def do(self, payload: ReviewOutlines, job: ActiveJob) -> Counts:
        """Review the samples; each slice is final."""
        while True:
            job.checkpoint("slice")
            seen, counts = self._slice(payload, job)
            if seen == 0:
                return counts

    def record(
        self, session: Session, payload: ReviewOutlines, job: ActiveJob, outcome: Counts
    ) -> dict[str, Any]:
        """Say what was done."""
        return {"dataset_id": str(payload.dataset_id), "verdict": payload.verdict.value, **outcome}

    def _slice(self, payload: ReviewOutlines, job: ActiveJob) -> tuple[int, Counts]:
        with unit_of_work(self._sessions) as session:
            # The lease first: who has lost it changes nothing.
            leases.require_lease(session, job.lease)
            ids = trash.selected(payload.dataset_id, payload.selection)
            done = suggestions.review_some(session, ids, payload.verdict, SLICE, job.author)
            counts = {"samples": done.samples, "annotations": done.annotations}
            leases.add_progress(session, job.lease, counts)
            return done.seen, jobs.get_job(session, job.lease.job_id).progress or {}
