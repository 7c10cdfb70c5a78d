"""Labels that come back with the images that show them.

The trash keeps documents as they were, labels deleted meanwhile included; nothing that anybody sees may show
one that is out of use.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.domain.labels import DeletionPolicy
from fourpoint_core.errors import LabelDeletedError
from fourpoint_core.jobs.contracts import DELETE_LABEL, MERGE_LABEL
from fourpoint_core.store.models import Annotation, Job, Label
from fourpoint_core.store.queries import labels
from fourpoint_core.store.queries.datasets import get_dataset

_WITH_IMAGES = {DeletionPolicy.SAMPLES.value, DeletionPolicy.SAMPLES_AND_SOURCE.value}
_OPEN = (JobState.QUEUED.value, JobState.RUNNING.value)


def bring_back(session: Session, dataset_id: UUID, sample_ids: Sequence[UUID]) -> None:
    """Have every label that the current documents of these samples show be in use; the samples are locked.

    One that a job is about to take out of these documents stays deleted. Raises LabelDeletedError where
    another label has the name of one by now, or while a job removes the images that show it, and NotFoundError
    where there is no dataset.
    """
    # Whoever deletes, merges, names or restores a label takes turns on the dataset's row.
    get_dataset(session, dataset_id, lock=True)
    gone = [label for label in _held(session, sample_ids) if label.deleted_at is not None]
    if not gone:
        return
    jobs = _open_jobs(session, dataset_id)
    for label in gone:
        about_it = [job for job in jobs if job.payload["label_id"] == str(label.id)]
        for job in about_it:
            if job.payload.get("policy") in _WITH_IMAGES:
                raise LabelDeletedError(
                    f"The images show the label {label.name!r}, and the job {job.id} is deleting that with"
                    " all its images; restore them when it has ended, or restore the label first."
                )
        # The other jobs take the label out of what lies in the trash, too.
        if not about_it:
            _revive(session, label)


def _held(session: Session, sample_ids: Sequence[UUID]) -> Sequence[Label]:
    """The labels on the samples, kept from being deleted: who does it next finds the samples restored."""
    shown = select(Annotation.label_id).where(
        Annotation.sample_id.in_(sample_ids), Annotation.valid_to.is_(None)
    )
    return session.scalars(
        select(Label)
        .where(Label.id.in_(shown))
        .order_by(Label.id)
        # Shared, as those hold it who save, and jobs that remove a label and then wait for samples.
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).all()


def _open_jobs(session: Session, dataset_id: UUID) -> Sequence[Job]:
    """What is being done about labels that were deleted or merged."""
    return session.scalars(
        select(Job).where(
            Job.dataset_id == dataset_id,
            Job.kind.in_([DELETE_LABEL.name, MERGE_LABEL.name]),
            Job.state.in_(_OPEN),
        )
    ).all()


def _revive(session: Session, label: Label) -> None:
    other = labels.find_label(session, label.dataset_id, label.name)
    if other is not None:
        raise LabelDeletedError(
            f"The images show the label {label.name!r} ({label.id}), which was deleted, and its name is that of"
            f" the label {other.id} now; rename that one, then restore the images, and merge the two if they"
            " are one."
        )
    labels.bring_back(session, label)
