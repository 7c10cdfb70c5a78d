"""Publishing and switching in a scene, by jobs as the API queues them."""

from uuid import UUID

from sqlalchemy import select
from tests.integration.worker.scenes import Scene

from fourpoint_core.domain.annotations import Content, NewAnnotation, Traits
from fourpoint_core.domain.geometry import Contour, Part
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import PUBLISH_VERSION, SWITCH_VERSION, JobKind, Payload
from fourpoint_core.jobs.payloads.versions import PublishVersion, SwitchVersion
from fourpoint_core.store.models import Annotation, Job, Label, Sample, Version
from fourpoint_core.store.models.samples import PRESENT
from fourpoint_core.store.queries import annotations, jobs, labels, samples, versions
from fourpoint_core.store.session import Session, unit_of_work
from fourpoint_worker.tasks.publish_version import PublishVersionWork
from fourpoint_worker.tasks.switch_version import SwitchVersionWork

SQUARE = Contour((Part(((10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0))),))
# What a document says: which object is of which label, and whether it is difficult.
Document = dict[UUID, tuple[UUID, bool]]


def queue_publication(scene: Scene, name: str | None = None) -> tuple[UUID, UUID]:
    """A publication that nobody has run yet: the job's id, and the version's."""
    job_id = new_id()
    with unit_of_work(scene.sessions) as session:
        head = versions.begin(session, scene.dataset_id, job_id)
        version = versions.add_version(session, head, name, "", LOCAL_USER_ID, job_id)
        _add(session, scene, PUBLISH_VERSION, PublishVersion(scene.dataset_id, version.id), job_id)
    return job_id, version.id


def publish(scene: Scene, name: str | None = None) -> Version:
    """A published version."""
    job_id, version_id = queue_publication(scene, name)
    assert scene.run(job_id, PublishVersionWork(scene.sessions)).state == "succeeded"
    with unit_of_work(scene.sessions) as session:
        return versions.get_published(session, scene.dataset_id, version_id)


def queue_switch(scene: Scene, version_id: UUID) -> UUID:
    """The job that makes a version current, and that nobody has run yet."""
    job_id = new_id()
    with unit_of_work(scene.sessions) as session:
        versions.begin(session, scene.dataset_id, job_id)
        _add(session, scene, SWITCH_VERSION, SwitchVersion(scene.dataset_id, version_id), job_id)
    return job_id


def switch(scene: Scene, version_id: UUID) -> Job:
    """Make a version current."""
    job = scene.run(queue_switch(scene, version_id), SwitchVersionWork(scene.sessions))
    assert job.state == "succeeded", job.error
    return job


def save(scene: Scene, sample_id: UUID, wanted: Document) -> None:
    """Make this the document of a sample, as a person does."""
    with unit_of_work(scene.sessions) as session:
        sample = samples.get_sample(session, sample_id, lock=True)
        rows = annotations.current_rows(session, sample_id)
        contents = [_content(key, *said) for key, said in wanted.items()]
        annotations.replace_document(session, sample, rows, contents, LOCAL_USER_ID)


def make_label(scene: Scene, name: str) -> UUID:
    """The label of that name."""
    with unit_of_work(scene.sessions) as session:
        return labels.label_named(session, scene.dataset_id, name)[0].id


def working_state(scene: Scene) -> tuple[dict[UUID, Document], dict[UUID, tuple[str, str]]]:
    """What the present images say, and what the labels are called and coloured."""
    with unit_of_work(scene.sessions) as session:
        present = select(Sample.id).where(Sample.dataset_id == scene.dataset_id, PRESENT)
        documents: dict[UUID, Document] = {sample_id: {} for sample_id in session.scalars(present)}
        rows = session.scalars(
            select(Annotation).where(Annotation.sample_id.in_(documents), Annotation.valid_to.is_(None))
        )
        for row in rows:
            documents[row.sample_id][row.annotation_id] = (row.label_id, row.difficult)
        found = session.scalars(
            select(Label).where(Label.dataset_id == scene.dataset_id, Label.deleted_at.is_(None))
        )
        return documents, {label.id: (label.name, label.colour) for label in found}


def _content(key: UUID, label_id: UUID, difficult: bool) -> Content:
    return NewAnnotation(key, label_id, SQUARE, traits=Traits(difficult=difficult)).content


def _add(session: Session, scene: Scene, kind: JobKind, payload: Payload, job_id: UUID) -> None:
    jobs.add_job(
        session,
        kind,
        payload,
        job_id=job_id,
        author=LOCAL_USER_ID,
        dataset_id=scene.dataset_id,
        sample_id=None,
        request_id=None,
    )
