"""Confirm or reject what a batch has drawn, slice by slice.

Each slice is committed together with its place in the order of ids, so a second try goes on where the first
one died.
"""

from typing import Any
from uuid import UUID

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
        """Review the samples; each slice is final. Returns what was done, in all tries."""
        while True:
            job.checkpoint("slice")
            if (counts := self._slice(payload, job)) is not None:
                return counts

    def record(
        self, session: Session, payload: ReviewOutlines, job: ActiveJob, outcome: Counts
    ) -> dict[str, Any]:
        """Say what was done."""
        return {"dataset_id": str(payload.dataset_id), "verdict": payload.verdict.value, **outcome}

    def _slice(self, payload: ReviewOutlines, job: ActiveJob) -> Counts | None:
        """Review some; at the end of all, what the whole job has done."""
        with unit_of_work(self._sessions) as session:
            # The lease first: who has lost it changes nothing.
            leases.require_lease(session, job.lease)
            before = jobs.get_job(session, job.lease.job_id).progress or {}
            after = before.get("after")
            done = suggestions.review_some(
                session,
                trash.selected(payload.dataset_id, payload.selection),
                payload.verdict,
                job.author,
                None if after is None else UUID(after),
                SLICE,
            )
            slice_ = {"samples": done.samples, "annotations": done.annotations, "left": done.left}
            counts = {name: before.get(name, 0) + count for name, count in slice_.items()}
            if done.last is None:
                return counts
            leases.report_progress(session, job.lease, {**counts, "after": str(done.last)})
            return None
