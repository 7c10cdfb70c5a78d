"""Versions as the job publishes them, without the job."""

from uuid import UUID

from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.store.models import Version
from fourpoint_core.store.queries import versions
from fourpoint_core.store.session import Sessions, unit_of_work


def begin_version(sessions: Sessions, dataset_id: UUID, name: str | None = None) -> tuple[UUID, UUID]:
    """A version that is about to be written: its id, and the id that stands for its job."""
    job_id = new_id()
    with unit_of_work(sessions) as session:
        head = versions.begin(session, dataset_id, job_id)
        return versions.add_version(session, head, name, "", LOCAL_USER_ID, job_id).id, job_id


def publish(sessions: Sessions, dataset_id: UUID, name: str | None = None) -> Version:
    """A published version, which is the current one."""
    version_id, job_id = begin_version(sessions, dataset_id, name)
    with unit_of_work(sessions) as session:
        versions.write_contents(session, version_id)
    with unit_of_work(sessions) as session:
        head = versions.require_turn(session, dataset_id, job_id)
        version = versions.finish(session, head, version_id)
        versions.give_back(session, head)
        return version
