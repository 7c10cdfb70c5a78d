"""What merging and deleting labels does to documents, slice by slice, and over a death in between."""

from typing import Any

import pytest
from tests.integration.worker.scenes import PROMPT, Scene

from fourpoint_core.domain.annotations import NewAnnotation
from fourpoint_core.domain.geometry import Contour, Part
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.domain.labels import DeletionPolicy
from fourpoint_core.errors import StorageUnavailableError
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import (
    DELETE_LABEL,
    INFER_CONTOUR,
    MERGE_LABEL,
    DeleteLabel,
    InferContour,
    MergeLabel,
    SaveMode,
)
from fourpoint_core.store.models import Job, Label, Revision, Sample
from fourpoint_core.store.queries import annotations, labels, relabeling, revision_rows, samples
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.tasks import delete_label, merge_label
from fourpoint_worker.tasks.delete_label import DeleteLabelWork
from fourpoint_worker.tasks.merge_label import MergeLabelWork

SQUARE = Contour((Part(((1.0, 1.0), (20.0, 1.0), (20.0, 20.0), (1.0, 20.0))),))


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two samples at a time."""
    monkeypatch.setattr(merge_label, "SLICE", 2)
    monkeypatch.setattr(delete_label, "SLICE", 2)


def label(scene: Scene, name: str) -> Label:
    with unit_of_work(scene.sessions) as session:
        return labels.label_named(session, scene.dataset_id, name)[0]


def annotated(scene: Scene, number: int, *names: str) -> Sample:
    """A sample with one object of each name."""
    sample = scene.sample(name=f"{number}.png")
    with unit_of_work(scene.sessions) as session:
        for name in names:
            found, _ = labels.label_named(session, scene.dataset_id, name)
            locked = samples.get_sample(session, sample.id, lock=True)
            annotations.add_annotation(
                session, locked, NewAnnotation(new_id(), found.id, SQUARE), LOCAL_USER_ID
            )
    return scene.read_sample(sample.id)


def names_on(scene: Scene, sample: Sample) -> list[str]:
    with unit_of_work(scene.sessions) as session:
        return [found.label.name for found in annotations.current_annotations(session, sample.id)]


def take_out_of_use(scene: Scene, gone: Label, into: Label | None = None) -> None:
    with unit_of_work(scene.sessions) as session:
        labels.mark_deleted(session, gone, merged_into=None if into is None else into.id)


def merge(scene: Scene, source: Label, target: Label) -> Job:
    take_out_of_use(scene, source, target)
    job_id = scene.queue(MERGE_LABEL, MergeLabel(scene.dataset_id, source.id, target.id))
    return scene.run(job_id, MergeLabelWork(scene.sessions))


def delete(scene: Scene, gone: Label, policy: DeletionPolicy, store: Any = None) -> Job:
    take_out_of_use(scene, gone)
    job_id = scene.queue(DELETE_LABEL, DeleteLabel(scene.dataset_id, gone.id, policy))
    return scene.run(job_id, DeleteLabelWork(scene.sessions, store or scene.store))


@pytest.mark.parametrize("vertices_at_once", [1, revision_rows.VERTICES_AT_ONCE])
def test_a_merge_gives_every_object_to_the_other_label(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, vertices_at_once: int
) -> None:
    monkeypatch.setattr(revision_rows, "VERTICES_AT_ONCE", vertices_at_once)
    made = [annotated(scene, number, "kat", "dog", "kat") for number in range(5)]
    job = merge(scene, label(scene, "kat"), label(scene, "cat"))
    assert job.state == JobState.SUCCEEDED
    assert job.result is not None and (job.result["samples"], job.result["annotations"]) == (5, 10)
    assert {tuple(sorted(names_on(scene, sample))) for sample in made} == {("cat", "cat", "dog")}


def test_a_merge_is_one_revision_of_each_document(scene: Scene) -> None:
    sample, other = annotated(scene, 1, "kat", "kat"), annotated(scene, 2, "dog")
    merge(scene, label(scene, "kat"), label(scene, "cat"))
    after = scene.read_sample(sample.id)
    assert (after.revision, after.annotation_count) == (3, 2)
    assert (after.labeled_by, after.labeled_at) == (sample.labeled_by, sample.labeled_at)
    with unit_of_work(scene.sessions) as session:
        assert session.get_one(Revision, (sample.id, 3)).action == "merge_label"
    assert scene.read_sample(other.id).revision == 1


def test_what_was_before_a_merge_stays_in_history(scene: Scene) -> None:
    sample = annotated(scene, 1, "kat")
    merge(scene, label(scene, "kat"), label(scene, "cat"))
    with unit_of_work(scene.sessions) as session:
        (found,) = annotations.annotations_at(session, sample.id, 1)
    assert found.label.name == "kat"


def test_a_merge_that_died_goes_on_where_it_stopped(scene: Scene) -> None:
    made = [annotated(scene, number, "kat") for number in range(3)]
    source, target = label(scene, "kat"), label(scene, "cat")
    take_out_of_use(scene, source, target)
    job_id = scene.queue(MERGE_LABEL, MergeLabel(scene.dataset_id, source.id, target.id))

    class Dying(MergeLabelWork):
        def _merge_slice(self, *arguments: Any) -> Any:
            if any(names_on(scene, sample) == ["cat"] for sample in made):
                raise StorageUnavailableError("The process dies here.")
            return super()._merge_slice(*arguments)

    scene.run(job_id, Dying(scene.sessions))
    assert sorted(names_on(scene, sample)[0] for sample in made) == ["cat", "cat", "kat"]
    with unit_of_work(scene.sessions) as session:
        session.get_one(Job, job_id).run_after = None
        session.flush()
    job = scene.run(job_id, MergeLabelWork(scene.sessions))
    assert job.result is not None and (job.result["samples"], job.result["annotations"]) == (3, 3)
    assert [scene.read_sample(sample.id).revision for sample in made] == [2, 2, 2]


def test_a_merge_into_what_was_merged_since_ends_up_there(scene: Scene) -> None:
    sample = annotated(scene, 1, "kat")
    first, second, third = label(scene, "kat"), label(scene, "catt"), label(scene, "cat")
    take_out_of_use(scene, first, second)
    take_out_of_use(scene, second, third)
    job_id = scene.queue(MERGE_LABEL, MergeLabel(scene.dataset_id, first.id, second.id))
    scene.run(job_id, MergeLabelWork(scene.sessions))
    assert names_on(scene, sample) == ["cat"]


def test_a_merge_into_what_was_deleted_since_says_so(scene: Scene) -> None:
    sample = annotated(scene, 1, "kat")
    source, target = label(scene, "kat"), label(scene, "cat")
    take_out_of_use(scene, source, target)
    take_out_of_use(scene, target)
    job_id = scene.queue(MERGE_LABEL, MergeLabel(scene.dataset_id, source.id, target.id))
    job = scene.run(job_id, MergeLabelWork(scene.sessions))
    assert job.error is not None and job.error["code"] == "label_deleted"
    assert names_on(scene, sample) == ["kat"]


def test_deleting_a_label_takes_its_objects_and_leaves_the_images(scene: Scene) -> None:
    mixed, only = annotated(scene, 1, "cat", "dog"), annotated(scene, 2, "cat", "cat")
    others = [annotated(scene, number, "cat") for number in range(3, 6)]
    job = delete(scene, label(scene, "cat"), DeletionPolicy.LABEL)
    assert job.result is not None and (job.result["samples"], job.result["annotations"]) == (5, 6)
    assert (names_on(scene, mixed), names_on(scene, only)) == (["dog"], [])
    assert [scene.read_sample(sample.id).annotation_count for sample in (mixed, only, *others)] == [
        1,
        0,
        0,
        0,
        0,
    ]
    assert scene.read_sample(only.id).labeled_by is None


def test_deleting_a_label_with_its_images_puts_them_into_the_trash(scene: Scene) -> None:
    gone = [annotated(scene, number, "cat", "dog") for number in range(3)]
    spared = annotated(scene, 9, "dog")
    job = delete(scene, label(scene, "cat"), DeletionPolicy.SAMPLES)
    assert job.result is not None and job.result["samples"] == 3
    with unit_of_work(scene.sessions) as session:
        assert all(session.get_one(Sample, sample.id).trashed_at is not None for sample in gone)
        assert session.get_one(Sample, spared.id).trashed_at is None
    assert all(scene.store.exists(sample.object_key) for sample in gone)


def test_deleting_a_label_with_images_and_files_removes_both(scene: Scene) -> None:
    gone = [annotated(scene, number, "cat") for number in range(3)]
    spared = annotated(scene, 9, "dog")
    job = delete(scene, label(scene, "cat"), DeletionPolicy.SAMPLES_AND_SOURCE)
    assert job.result is not None and (job.result["samples"], job.result["objects"]) == (3, 3)
    with unit_of_work(scene.sessions) as session:
        assert all(session.get(Sample, sample.id) is None for sample in gone)
    assert not any(scene.store.exists(sample.object_key) for sample in gone)
    assert scene.store.exists(spared.object_key)


def test_nobody_can_use_a_label_behind_the_back_of_its_deletion(scene: Scene) -> None:
    """A save that read the label before it was deleted is refused, or is seen by the job: never in between."""
    sample, gone = annotated(scene, 1), label(scene, "cat")
    take_out_of_use(scene, gone)
    with unit_of_work(scene.sessions) as session:
        locked = samples.get_sample(session, sample.id, lock=True)
        new = NewAnnotation(new_id(), gone.id, SQUARE)
        with pytest.raises(Exception, match="was deleted"):
            annotations.add_annotation(session, locked, new, LOCAL_USER_ID)


@pytest.mark.parametrize("policy", DeletionPolicy)
def test_a_label_that_was_brought_back_keeps_what_it_has(scene: Scene, policy: DeletionPolicy) -> None:
    sample, kept = annotated(scene, 1, "cat"), label(scene, "cat")
    job_id = scene.queue(DELETE_LABEL, DeleteLabel(scene.dataset_id, kept.id, policy))
    job = scene.run(job_id, DeleteLabelWork(scene.sessions, scene.store))
    assert job.state == JobState.SUCCEEDED
    assert names_on(scene, sample) == ["cat"]


def test_a_slice_of_nothing_writes_nothing(scene: Scene) -> None:
    with unit_of_work(scene.sessions) as session:
        assert relabeling.delete_some(session, new_id(), 5, LOCAL_USER_ID).samples == 0


def test_an_object_that_is_inferred_again_keeps_its_id_and_label(scene: Scene) -> None:
    sample = annotated(scene, 1, "cat")
    with unit_of_work(scene.sessions) as session:
        (before,) = annotations.current_annotations(session, sample.id)
    payload = InferContour(
        sample.id, new_id(), PROMPT, SaveMode.DOCUMENT, before.row.annotation_id, before.label.id, redraws=True
    )
    job = scene.run(scene.queue(INFER_CONTOUR, payload))
    assert job.result is not None and job.result["revision"] == 2
    with unit_of_work(scene.sessions) as session:
        (after,) = annotations.current_annotations(session, sample.id)
    assert (after.row.annotation_id, after.label.name) == (before.row.annotation_id, "cat")
    assert (after.row.contour, str(after.row.contour_id)) == (job.result["contour"], job.result["contour_id"])
