"""Have a dataset say what its bucket says. Phases and slices are final; a second try goes on where one died."""

from typing import Any

from fourpoint_core.domain.reconcile import Outcome
from fourpoint_core.jobs.contracts import SYNC_DATASET
from fourpoint_core.jobs.payloads.syncs import Phase, SyncDataset
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.queries import datasets, leases, sync_items, syncs, tallies
from fourpoint_core.store.session import Session, Sessions, reading
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.syncer.context import Context, Limits
from fourpoint_worker.syncer.images import apply_images
from fourpoint_worker.syncer.renames import find_renames
from fourpoint_worker.syncer.sidecars import apply_sidecars
from fourpoint_worker.syncer.survey import survey

_STEPS = {
    Phase.LISTING: (survey, Phase.RENAMES),
    Phase.RENAMES: (find_renames, Phase.IMAGES),
    Phase.IMAGES: (apply_images, Phase.SIDECARS),
    Phase.SIDECARS: (apply_sidecars, Phase.DONE),
}


class SyncDatasetWork:
    """See running.Work."""

    kind = SYNC_DATASET

    def __init__(self, sessions: Sessions, store: ObjectStore, limits: Limits):
        self._sessions = sessions
        self._store = store
        self._limits = limits

    def do(self, payload: SyncDataset, job: ActiveJob) -> None:
        """Go through the phases that are left. Raises NotFoundError where the dataset is gone."""
        with reading(self._sessions) as session:
            dataset = datasets.get_dataset(session, payload.dataset_id)
            run = syncs.get_run(session, job.lease.job_id)
        context = Context(
            self._sessions,
            self._store,
            self._limits,
            job,
            dataset.id,
            dataset.input_path,
            dataset.import_annotations,
            payload.dry_run,
        )
        phase, cursor = Phase(run.phase), run.cursor
        while phase is not Phase.DONE:
            step, following = _STEPS[phase]
            step(context, cursor)
            if payload.dry_run and phase is Phase.RENAMES:
                following = Phase.DONE
            phase, cursor = following, ""
            with context.slice(phase, cursor):
                pass

    def record(self, session: Session, payload: SyncDataset, job: ActiveJob, outcome: None) -> dict[str, Any]:
        """Count what was done, by all tries together."""
        job_id = job.lease.job_id
        seen = syncs.get_run(session, job_id).counts
        counts = {outcome.value: 0 for outcome in Outcome} | sync_items.count(session, job_id)
        named = ("listed", "unchanged", "still_missing", "left_alone", "ignored")
        counts |= {name: seen.get(name, 0) for name in named}
        if not payload.dry_run:
            # Of those that were missing before, some may have been found under another name.
            missing = tallies.sample_totals(session, payload.dataset_id).missing
            counts["still_missing"] = max(0, missing - counts[Outcome.MISSING.value])
        syncs.finish(session, job_id, counts)
        leases.report_progress(session, job.lease, {"phase": Phase.DONE.value, **counts})
        return {"dataset_id": str(payload.dataset_id), "dry_run": payload.dry_run, **counts}
