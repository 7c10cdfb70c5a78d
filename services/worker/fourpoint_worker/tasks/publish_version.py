"""Publish a version: one statement writes what it holds, so it is there whole or not at all."""

from typing import Any

from fourpoint_core.domain.filters import SampleFilter
from fourpoint_core.domain.transfers import ExportOrder, FormatName
from fourpoint_core.domain.versions import VersionState
from fourpoint_core.errors import DatasetEmptyError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import EXPORT_DATASET, PUBLISH_VERSION
from fourpoint_core.jobs.payloads.transfers import ExportDataset
from fourpoint_core.jobs.payloads.versions import PublishVersion
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import Version
from fourpoint_core.store.queries import jobs, leases, versions
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob


class PublishVersionWork:
    """See running.Work."""

    kind = PUBLISH_VERSION

    def __init__(self, sessions: Sessions):
        self._sessions = sessions

    def do(self, payload: PublishVersion, job: ActiveJob) -> None:
        """Write the version's contents, unless an earlier try has; people go on labeling."""
        with unit_of_work(self._sessions) as session:
            versions.require_turn(session, payload.dataset_id, job.lease.job_id)
        job.checkpoint("contents")
        version = write_contents(self._sessions, payload.version_id, job)
        if not version.samples:
            raise DatasetEmptyError("All images were deleted before the version was written; add some first.")

    def record(
        self, session: Session, payload: PublishVersion, job: ActiveJob, outcome: None
    ) -> dict[str, Any]:
        """Make it public and current."""
        head = versions.require_turn(session, payload.dataset_id, job.lease.job_id)
        version = versions.finish(session, head, payload.version_id)
        versions.give_back(session, head)
        return {
            **payload.to_json(),
            **counts(version),
            "state": VersionState.PUBLISHED.value,
            "export_job_id": self._queue_export(session, payload, version.name, job),
        }

    def _queue_export(self, session: Session, payload: PublishVersion, name: str, job: ActiveJob) -> str | None:
        """Have the version written as files, where that was asked for: exactly if it is published."""
        if payload.output_path is None:
            return None
        order = ExportOrder(
            FormatName.MODELARTS,
            SampleFilter(version=payload.version_id),
            output_path=payload.output_path,
            published_as=name,
        )
        message = jobs.add_job(
            session,
            EXPORT_DATASET,
            ExportDataset(payload.dataset_id, order),
            job_id=new_id(),
            author=job.author,
            dataset_id=payload.dataset_id,
            sample_id=None,
            request_id=request_id_var.get(),
        )
        # Nobody publishes its message behind this commit; the sweep does.
        jobs.take_back_dispatch(session, [message.job_id])
        return str(message.job_id)


def write_contents(sessions: Sessions, version_id: Any, job: ActiveJob) -> Version:
    """Write what a version holds, in a transaction that may take its time."""
    with unit_of_work(sessions) as session:
        versions.take_time(session)
        version = versions.write_contents(session, version_id)
        # Last, because the lease is renewed meanwhile: who has lost it changes nothing.
        leases.require_lease(session, job.lease)
        return version


def counts(version: Version) -> dict[str, Any]:
    """A version in the result of a job."""
    return {
        "name": version.name,
        "samples": version.samples,
        "labeled": version.labeled,
        "annotations": version.annotations,
    }
