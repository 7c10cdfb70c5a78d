"""The audit log, of what jobs do in somebody's name and of what happens in nobody's."""

from sqlalchemy import select
from tests.integration.worker.scenes import Scene
from tests.integration.worker.version_jobs import publish, switch

from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.jobs.payloads.syncs import Cause
from fourpoint_core.store.models import AuditEntry
from fourpoint_core.store.queries import labels, syncs
from fourpoint_core.store.session import unit_of_work


def entries(scene: Scene, action: str) -> list[AuditEntry]:
    """What the log says of an action, in the order of time."""
    with unit_of_work(scene.sessions) as session:
        wanted = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return list(session.scalars(wanted))


def test_what_a_job_does_is_written_down_in_the_name_of_whoever_asked(scene: Scene) -> None:
    scene.sample()
    version = publish(scene)
    (published,) = entries(scene, "version.changed")
    assert published.changes["state"] == {"from": "publishing", "to": "published"}
    assert (published.actor_id, published.via, published.job_id) == (LOCAL_USER_ID, "worker", version.job_id)


def test_that_another_version_is_current_is_written_down(scene: Scene) -> None:
    scene.sample()
    first, second = publish(scene), publish(scene)
    switch(scene, first.id)
    (*_, latest) = entries(scene, "current_version.changed")
    assert latest.changes["current_version_id"] == {"from": str(second.id), "to": str(first.id)}
    assert latest.dataset_id == scene.dataset_id


def test_labels_that_another_version_changes_are_written_down_in_the_name_of_whoever_asked(
    scene: Scene,
) -> None:
    scene.sample()
    first = publish(scene)
    with unit_of_work(scene.sessions) as session:
        made, _ = labels.label_named(session, scene.dataset_id, "late")
    publish(scene)
    job = switch(scene, first.id)
    (gone,) = entries(scene, "label.deleted")
    assert gone.resource_id == str(made.id)
    assert (gone.actor_id, gone.via, gone.job_id) == (LOCAL_USER_ID, "worker", job.id)


def test_a_synchronisation_that_nobody_asked_for_is_not_written_down(scene: Scene) -> None:
    with unit_of_work(scene.sessions) as session:
        syncs.start(session, scene.dataset_id, Cause.SCHEDULE, author=LOCAL_USER_ID)
    assert entries(scene, "job.created") == []
