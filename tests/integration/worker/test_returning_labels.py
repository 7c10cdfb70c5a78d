"""Images that come out of the trash never show a label that is out of use."""

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from tests.integration.worker.scenes import Scene
from tests.integration.worker.test_label_works import annotated, label, names_on, take_out_of_use

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.domain.labels import DeletionPolicy
from fourpoint_core.errors import LabelDeletedError
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import (
    DELETE_LABEL,
    MERGE_LABEL,
    RESTORE_SAMPLES,
    DeleteLabel,
    MergeLabel,
    RestoreSamples,
)
from fourpoint_core.store.models import Job, Label, Sample
from fourpoint_core.store.queries import labels, tallies, trash
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.tasks.delete_label import DeleteLabelWork
from fourpoint_worker.tasks.merge_label import MergeLabelWork
from fourpoint_worker.tasks.restore_samples import RestoreSamplesWork

WITH_IMAGES = [DeletionPolicy.SAMPLES, DeletionPolicy.SAMPLES_AND_SOURCE]


def throw_away(scene: Scene, *samples: Sample) -> None:
    with unit_of_work(scene.sessions) as session:
        ids = select(Sample.id).where(Sample.id.in_([sample.id for sample in samples]))
        trash.throw_away(session, ids, new_id(), LOCAL_USER_ID, len(samples))


def restore(scene: Scene, *samples: Sample) -> Job:
    payload = RestoreSamples(scene.dataset_id, tuple(sample.id for sample in samples), None)
    return scene.run(scene.queue(RESTORE_SAMPLES, payload), RestoreSamplesWork(scene.sessions))


def begin_deletion(scene: Scene, gone: Label, policy: DeletionPolicy) -> Job:
    take_out_of_use(scene, gone)
    return scene.job(scene.queue(DELETE_LABEL, DeleteLabel(scene.dataset_id, gone.id, policy)))


def finish_deletion(scene: Scene, job: Job) -> None:
    assert scene.run(job.id, DeleteLabelWork(scene.sessions, scene.store)).state == JobState.SUCCEEDED


def is_in_trash(scene: Scene, sample: Sample) -> bool:
    with unit_of_work(scene.sessions) as session:
        return session.get_one(Sample, sample.id).trashed_at is not None


def read(scene: Scene, one: Label) -> Label:
    with unit_of_work(scene.sessions) as session:
        return session.get_one(Label, one.id)


def rename(scene: Scene, one: Label, name: str, shortcut: str | None = None) -> None:
    with unit_of_work(scene.sessions) as session:
        labels.change_label(session, one, name=name, colour=one.colour, shortcut=shortcut)


def assert_counts_agree(scene: Scene, objects: int) -> None:
    with unit_of_work(scene.sessions) as session:
        per_label = sum(one.count.objects for one in tallies.by_label(session, scene.dataset_id))
        per_labeler = sum(one.objects for one in tallies.by_labeler(session, scene.dataset_id))
        assert (per_label, per_labeler) == (objects, objects)
        assert tallies.mend(session, scene.dataset_id) == []


@pytest.mark.parametrize("policy", WITH_IMAGES)
def test_a_label_that_was_deleted_with_its_images_comes_back_with_them(
    scene: Scene, policy: DeletionPolicy
) -> None:
    """Images that lay in the trash before stay there, whatever the policy."""
    made = [annotated(scene, number, "cat", "dog") for number in range(3)]
    cat = label(scene, "cat")
    throw_away(scene, *made)
    finish_deletion(scene, begin_deletion(scene, cat, policy))
    assert restore(scene, *made).state == JobState.SUCCEEDED
    assert read(scene, cat).deleted_at is None
    assert label(scene, "cat").id == cat.id
    assert_counts_agree(scene, 6)


def test_what_the_deletion_of_a_label_threw_away_comes_back_with_it(scene: Scene) -> None:
    made = [annotated(scene, number, "cat") for number in range(3)]
    cat = label(scene, "cat")
    finish_deletion(scene, begin_deletion(scene, cat, DeletionPolicy.SAMPLES))
    restore(scene, *made)
    assert [is_in_trash(scene, sample) for sample in made] == [False] * 3
    assert read(scene, cat).deleted_at is None
    assert_counts_agree(scene, 3)


@pytest.mark.parametrize(("taken", "left"), [(False, "c"), (True, None)])
def test_a_shortcut_comes_back_unless_another_label_has_it(scene: Scene, taken: bool, left: str | None) -> None:
    sample, cat = annotated(scene, 1, "cat"), label(scene, "cat")
    rename(scene, cat, "cat", "c")
    finish_deletion(scene, begin_deletion(scene, cat, DeletionPolicy.SAMPLES))
    if taken:
        rename(scene, label(scene, "cow"), "cow", "c")
    restore(scene, sample)
    back = read(scene, cat)
    assert (back.deleted_at, back.shortcut) == (None, left)


def test_where_the_name_is_taken_the_images_stay_until_it_is_free(scene: Scene) -> None:
    sample, cat = annotated(scene, 1, "cat"), label(scene, "cat")
    finish_deletion(scene, begin_deletion(scene, cat, DeletionPolicy.SAMPLES))
    other = label(scene, "cat")
    job = restore(scene, sample)
    assert job.error is not None and job.error["code"] == "label_deleted"
    assert is_in_trash(scene, sample)
    rename(scene, other, "cat 2")
    assert restore(scene, sample).state == JobState.SUCCEEDED
    assert_counts_agree(scene, 1)


@pytest.mark.parametrize("policy", WITH_IMAGES)
def test_images_do_not_come_back_while_they_are_being_deleted(scene: Scene, policy: DeletionPolicy) -> None:
    sample, cat = annotated(scene, 1, "cat"), label(scene, "cat")
    throw_away(scene, sample)
    deletion = begin_deletion(scene, cat, policy)
    job = restore(scene, sample)
    assert job.error is not None and str(deletion.id) in job.error["detail"]
    assert is_in_trash(scene, sample)
    assert read(scene, cat).deleted_at is not None


def test_a_label_whose_objects_are_being_deleted_stays_away(scene: Scene) -> None:
    sample, cat = annotated(scene, 1, "cat", "dog"), label(scene, "cat")
    throw_away(scene, sample)
    deletion = begin_deletion(scene, cat, DeletionPolicy.LABEL)
    assert restore(scene, sample).state == JobState.SUCCEEDED
    finish_deletion(scene, deletion)
    assert (names_on(scene, sample), read(scene, cat).deleted_at is None) == (["dog"], False)
    assert_counts_agree(scene, 1)


def test_a_label_that_is_being_merged_stays_away(scene: Scene) -> None:
    sample, source, target = annotated(scene, 1, "kat"), label(scene, "kat"), label(scene, "cat")
    throw_away(scene, sample)
    take_out_of_use(scene, source, target)
    job_id = scene.queue(MERGE_LABEL, MergeLabel(scene.dataset_id, source.id, target.id))
    assert restore(scene, sample).state == JobState.SUCCEEDED
    scene.run(job_id, MergeLabelWork(scene.sessions))
    assert (names_on(scene, sample), read(scene, source).deleted_at is None) == (["cat"], False)
    assert_counts_agree(scene, 1)


def test_a_label_whose_merge_was_given_up_comes_back(scene: Scene) -> None:
    sample, source, target = annotated(scene, 1, "kat"), label(scene, "kat"), label(scene, "cat")
    throw_away(scene, sample)
    take_out_of_use(scene, source, target)
    job_id = scene.queue(MERGE_LABEL, MergeLabel(scene.dataset_id, source.id, target.id))
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(state=JobState.CANCELLED.value))
    restore(scene, sample)
    back = read(scene, source)
    assert (back.deleted_at, back.merged_into) == (None, None)
    assert_counts_agree(scene, 1)


def test_a_label_cannot_be_deleted_behind_the_back_of_a_restoration(scene: Scene) -> None:
    """Its deletion waits, and then finds the images; it never looks for them in between."""
    sample, cat = annotated(scene, 1, "cat"), label(scene, "cat")
    throw_away(scene, sample)
    with unit_of_work(scene.sessions) as session:
        trash.take_back(session, scene.dataset_id, trash.trashed(scene.dataset_id, [sample.id]), 1)
        deletion = select(Label).where(Label.id == cat.id).with_for_update(nowait=True, key_share=True)
        with scene.sessions() as other, pytest.raises(OperationalError, match="could not obtain lock"):
            other.scalar(deletion)


def test_two_labels_of_one_name_do_not_come_back_together(scene: Scene) -> None:
    made = []
    for number in range(2):
        made.append(annotated(scene, number, "cat"))
        finish_deletion(scene, begin_deletion(scene, label(scene, "cat"), DeletionPolicy.SAMPLES))
    ids = trash.trashed(scene.dataset_id, [sample.id for sample in made])
    with pytest.raises(LabelDeletedError), unit_of_work(scene.sessions) as session:
        trash.take_back(session, scene.dataset_id, ids, 2)
    assert [is_in_trash(scene, sample) for sample in made] == [True, True]
