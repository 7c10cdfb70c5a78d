"""Make a version current: publish what differs, then bring the working state to it, slice by slice.

What was decided first, and how far it is, is in the job's progress, committed with what it speaks of. A second
try looks at all samples again, and finds most as they are to be.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fourpoint_core.domain.versions import VersionState
from fourpoint_core.errors import VersionStateError
from fourpoint_core.jobs.contracts import SWITCH_VERSION
from fourpoint_core.jobs.payloads.versions import SwitchVersion
from fourpoint_core.store.models import Version
from fourpoint_core.store.queries import datasets, jobs, leases, version_switching, versions
from fourpoint_core.store.queries.version_switching import Switch, Verdict
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.tasks.publish_version import write_contents

SLICE = 500
_CHANGES = (Verdict.RESTORE, Verdict.BRING_BACK, Verdict.SET_ASIDE)
_LEFT = {
    Verdict.KEPT: "samples_kept",
    Verdict.GONE: "samples_gone",
    Verdict.MISSING: "samples_missing",
    Verdict.RESIZED: "samples_resized",
}
_DONE = {
    Verdict.RESTORE: "samples_restored",
    Verdict.BRING_BACK: "samples_brought_back",
    Verdict.SET_ASIDE: "samples_set_aside",
}


@dataclass
class Outcome:
    """What a try found: samples that it had to leave, by reason."""

    left: dict[str, int]


class SwitchVersionWork:
    """See running.Work."""

    kind = SWITCH_VERSION

    def __init__(self, sessions: Sessions):
        self._sessions = sessions

    def do(self, payload: SwitchVersion, job: ActiveJob) -> Outcome:
        """Publish what differs; then labels, then samples."""
        base_id, saved_id = self._decide(payload, job)
        if saved_id is not None:
            self._save(payload, job, saved_id)
        switch = self._begin(payload, job, base_id)
        left = dict.fromkeys(_LEFT.values(), 0)
        place: tuple[datetime, UUID] | None = None
        while True:
            job.checkpoint("slice")
            place = self._slice(switch, job, place, left)
            if place is None:
                return Outcome(left)

    def record(
        self, session: Session, payload: SwitchVersion, job: ActiveJob, outcome: Outcome
    ) -> dict[str, Any]:
        """Say that the version is the current one, and what was done in all tries."""
        head = versions.require_turn(session, payload.dataset_id, job.lease.job_id)
        switch = _switch(session, payload, job, UUID(_progress(session, job)["base_version_id"]))
        kept = version_switching.keep_labels(session, switch)
        versions.make_current(session, head, payload.version_id)
        versions.give_back(session, head)
        return {**payload.to_json(), **_progress(session, job), **outcome.left, "labels_kept": kept}

    def _decide(self, payload: SwitchVersion, job: ActiveJob) -> tuple[UUID, UUID | None]:
        """The version in which the state before is kept; and the same, where it is yet to be published."""
        with unit_of_work(self._sessions) as session:
            head = versions.require_turn(session, payload.dataset_id, job.lease.job_id)
            progress = _progress(session, job)
            if "base_version_id" not in progress:
                progress = {"published_version_id": None, **dict.fromkeys(_DONE.values(), 0)}
                base_id = head.current_version_id
                if base_id is None or versions.has_changes_since(session, payload.dataset_id, base_id):
                    wanted = versions.get_published(session, payload.dataset_id, payload.version_id)
                    version = versions.add_version(
                        session,
                        head,
                        None,
                        f"What people had before {wanted.name} was made current",
                        job.author,
                        job.lease.job_id,
                    )
                    base_id = version.id
                    progress["published_version_id"] = str(base_id)
                leases.report_progress(session, job.lease, {**progress, "base_version_id": str(base_id)})
                progress = _progress(session, job)
            saved = progress["published_version_id"]
            return UUID(progress["base_version_id"]), None if saved is None else UUID(saved)

    def _save(self, payload: SwitchVersion, job: ActiveJob, version_id: UUID) -> None:
        job.checkpoint("contents")
        write_contents(self._sessions, version_id, job)
        with unit_of_work(self._sessions) as session:
            leases.require_lease(session, job.lease)
            head = versions.require_turn(session, payload.dataset_id, job.lease.job_id)
            versions.finish(session, head, version_id)

    def _begin(self, payload: SwitchVersion, job: ActiveJob, base_id: UUID) -> Switch:
        with unit_of_work(self._sessions) as session:
            leases.require_lease(session, job.lease)
            datasets.get_dataset(session, payload.dataset_id, lock=True)
            switch = _switch(session, payload, job, base_id)
            version_switching.change_labels(session, switch)
            return switch

    def _slice(
        self,
        switch: Switch,
        job: ActiveJob,
        place: tuple[datetime, UUID] | None,
        left: dict[str, int],
    ) -> tuple[datetime, UUID] | None:
        with unit_of_work(self._sessions) as session:
            leases.require_lease(session, job.lease)
            part = version_switching.look(session, switch, place, SLICE)
            wanted = [one for one, verdict in part.verdicts.items() if verdict in _CHANGES]
            done = version_switching.change(session, switch, wanted) if wanted else {}
            for verdict in {**part.verdicts, **done}.values():
                if verdict in _LEFT:
                    left[_LEFT[verdict]] += 1
            if done:
                progress = _progress(session, job)
                for verdict in done.values():
                    if verdict in _DONE:
                        progress[_DONE[verdict]] += 1
                leases.report_progress(session, job.lease, progress)
            return part.last


def _switch(session: Session, payload: SwitchVersion, job: ActiveJob, base_id: UUID) -> Switch:
    wanted = _version(session, payload.dataset_id, payload.version_id)
    base = _version(session, payload.dataset_id, base_id)
    return Switch(payload.dataset_id, wanted, base, job.author, job.lease.job_id)


def _version(session: Session, dataset_id: UUID, version_id: UUID) -> Version:
    version = versions.get_version(session, dataset_id, version_id).row
    if version.state != VersionState.PUBLISHED.value:
        raise VersionStateError(f"The version {version.name!r} is {version.state}; choose a published one.")
    return version


def _progress(session: Session, job: ActiveJob) -> dict[str, Any]:
    return dict(jobs.get_job(session, job.lease.job_id).progress or {})
