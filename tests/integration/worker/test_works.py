"""What each kind of job does and records."""

import hashlib
import threading
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import func, select
from tests.integration.worker.scenes import PROMPT, SIDE, Scene, png

from fourpoint_core.domain.annotations import Method
from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import (
    INFER_CONTOUR,
    OUTLINE_PICTURE,
    PREFETCH_SAMPLE,
    PURGE_DATASET,
    InferContour,
    PrefetchSample,
    PurgeDataset,
    SaveMode,
)
from fourpoint_core.jobs.payloads.pictures import Form, OutlinePicture
from fourpoint_core.storage.derived import embedding_key, thumbnail_key
from fourpoint_core.storage.pictures import picture_key
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_core.store.models import Dataset, InferredContour, Job, Sample, UploadIntent
from fourpoint_core.store.queries import annotations, datasets, drafts, labels, samples, trash
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.images import ImageCache
from fourpoint_worker.tasks import purge_dataset
from fourpoint_worker.tasks.outline_picture import OutlinePictureWork
from fourpoint_worker.tasks.prefetch_sample import PrefetchSampleWork
from fourpoint_worker.tasks.purge_dataset import PurgeDatasetWork


def test_a_click_answers_with_the_contour_and_where_the_time_went(scene: Scene) -> None:
    result = scene.run(scene.queue_click(scene.sample())).result
    assert result is not None
    assert result["bbox"] == pytest.approx([10, 10, 30, 30], abs=0.6)
    assert set(result["milliseconds"]) == {"queue", "image", "model", "polygon"}
    assert result["engine"] == "square"


def test_a_click_that_saves_nothing_leaves_the_image_unlabeled(scene: Scene) -> None:
    sample = scene.sample()
    result = scene.run(scene.queue_click(sample)).result
    assert result is not None and "annotation_id" not in result
    after = scene.read_sample(sample.id)
    assert (after.annotation_count, after.revision) == (0, 0)


def test_the_contour_of_a_click_is_kept_with_its_prompt(scene: Scene) -> None:
    sample = scene.sample()
    result = scene.run(scene.queue_click(sample)).result
    assert result is not None
    with unit_of_work(scene.sessions) as session:
        kept = annotations.get_contour(session, sample.id, result["contour_id"])
    assert kept.contour == result["contour"]
    assert annotations.provenance_of(kept).method is Method.EXTREME_POINTS


def test_a_click_saved_to_the_document_labels_the_image(scene: Scene) -> None:
    sample = scene.sample()
    result = scene.run(scene.queue_click(sample, SaveMode.DOCUMENT, "cat")).result
    assert result is not None and result["revision"] == 1
    with unit_of_work(scene.sessions) as session:
        [found] = annotations.current_annotations(session, sample.id)
    assert (found.label.name, str(found.row.annotation_id)) == ("cat", result["annotation_id"])
    assert found.row.method == "extreme_points"
    assert found.row.created_by == LOCAL_USER_ID


def repeated(scene: Scene, sample: Sample, annotation_id: UUID, label: str, prompt: Prompt = PROMPT) -> Job:
    """A click under an id of the client's, to be saved."""
    wanted = InferContour(sample.id, new_id(), prompt, SaveMode.DOCUMENT, annotation_id, label_name=label)
    return scene.run(scene.queue(INFER_CONTOUR, wanted))


def test_a_click_that_is_sent_again_gets_the_same_answer_and_saves_once(scene: Scene) -> None:
    sample, annotation_id = scene.sample(), new_id()
    first, second = (repeated(scene, sample, annotation_id, "cat") for _ in range(2))
    assert first.result is not None and first.result == second.result
    assert scene.read_sample(sample.id).revision == 1
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(InferredContour)) == 1


def test_a_click_is_answered_as_before_when_its_object_was_changed_since(scene: Scene) -> None:
    sample, annotation_id = scene.sample(), new_id()
    first = repeated(scene, sample, annotation_id, "cat")
    with unit_of_work(scene.sessions) as session:
        held = samples.get_sample(session, sample.id, lock=True)
        row = annotations.current_annotation(session, sample.id, annotation_id).row
        content = replace(annotations.content_of(row), difficult=True)
        annotations.change_annotation(session, held, row, content, LOCAL_USER_ID)
    assert repeated(scene, sample, annotation_id, "cat").result == first.result
    assert scene.read_sample(sample.id).revision == 2


@pytest.mark.parametrize("change", ["label", "clicks"])
def test_another_click_under_the_same_id_is_refused(scene: Scene, change: str) -> None:
    sample, annotation_id = scene.sample(), new_id()
    repeated(scene, sample, annotation_id, "cat")
    other = Prompt(box_prompt=Box(5, 5, 35, 35))
    job = repeated(scene, sample, annotation_id, *(("dog",) if change == "label" else ("cat", other)))
    assert job.error is not None and job.error["code"] == "id_taken"
    assert scene.read_sample(sample.id).revision == 1


def test_a_click_that_is_saved_leaves_the_draft(scene: Scene) -> None:
    sample, annotation_id = scene.sample(), new_id()
    wanted = InferContour(sample.id, new_id(), PROMPT, SaveMode.DRAFT, annotation_id, label_name="cat")
    scene.run(scene.queue(INFER_CONTOUR, wanted))
    repeated(scene, sample, annotation_id, "cat")
    with unit_of_work(scene.sessions) as session:
        assert drafts.get_draft(session, sample.id, LOCAL_USER_ID) is None


@pytest.mark.parametrize("known", [True, False])
def test_a_click_saved_to_the_draft_makes_no_label(scene: Scene, known: bool) -> None:
    """A draft is its author's alone, and labels are everybody's."""
    if known:
        with unit_of_work(scene.sessions) as session:
            cat, _ = labels.label_named(session, scene.dataset_id, "cat")
    sample = scene.sample()
    scene.run(scene.queue_click(sample, SaveMode.DRAFT, "cat"))
    with unit_of_work(scene.sessions) as session:
        draft = drafts.get_draft(session, sample.id, LOCAL_USER_ID)
        names = [label.name for label in labels.list_labels(session, scene.dataset_id)]
    assert draft is not None
    (entry,) = draft.annotations
    wanted = {"label_id": str(cat.id)} if known else {"label": "cat"}
    assert {name: entry[name] for name in ("label", "label_id") if name in entry} == wanted
    assert names == (["cat"] if known else [])


def test_a_click_saved_to_the_draft_leaves_the_document_alone(scene: Scene) -> None:
    sample = scene.sample()
    result = scene.run(scene.queue_click(sample, SaveMode.DRAFT, "cat")).result
    assert result is not None
    with unit_of_work(scene.sessions) as session:
        draft = drafts.get_draft(session, sample.id, LOCAL_USER_ID)
    assert draft is not None
    assert [entry["id"] for entry in draft.annotations] == [result["annotation_id"]]
    assert scene.read_sample(sample.id).annotation_count == 0


def test_a_click_for_a_label_that_is_gone_fails_and_saves_nothing(scene: Scene) -> None:
    sample = scene.sample()
    payload = InferContour(sample.id, new_id(), PROMPT, SaveMode.DOCUMENT, new_id(), label_id=new_id())
    job = scene.run(scene.queue(INFER_CONTOUR, payload))
    assert job.error is not None and job.error["code"] == "not_found"
    assert scene.read_sample(sample.id).annotation_count == 0


def test_a_click_on_an_object_that_vanished_says_so(scene: Scene) -> None:
    sample = scene.sample()
    scene.store.delete(sample.object_key)
    job = scene.run(scene.queue_click(sample))
    assert job.error is not None and job.error["code"] == "object_missing"


def test_a_click_on_an_object_that_was_replaced_says_so(scene: Scene) -> None:
    sample = scene.sample()
    scene.store.put(sample.object_key, png((1, 2, 3)), content_type="image/png")
    job = scene.run(scene.queue_click(sample))
    assert job.error is not None and job.error["code"] == "object_missing"


def test_a_prefetched_image_needs_no_object_any_more(scene: Scene) -> None:
    sample = scene.sample()
    images = ImageCache(scene.store, 2**20, DigestBook(scene.sessions, scene.store))
    job_id = scene.queue(PREFETCH_SAMPLE, PrefetchSample(sample.id))
    job = scene.run(job_id, PrefetchSampleWork(scene.sessions, images, scene.engine))
    assert job.state == JobState.SUCCEEDED
    scene.store.delete(sample.object_key)
    assert images.upright(sample.digest, sample.object_key).shape == (40, 40, 3)


def test_an_outline_for_another_tool_says_how_sure_it_is_and_what_each_stage_took(scene: Scene) -> None:
    digest = hashlib.sha256(png()).hexdigest()
    scene.store.put(picture_key(digest), png(), content_type="image/png")
    wanted = OutlinePicture(digest, SIDE, SIDE, Form.RING, PROMPT)
    job = scene.run(scene.queue(OUTLINE_PICTURE, wanted), OutlinePictureWork(scene.images(), scene.engine))
    assert job.result is not None and job.result["confident"]
    assert set(job.result["milliseconds"]) == {"queue", "image", "model", "polygon"}


@pytest.mark.parametrize("fault", ["damaged", "no image", "missing"])
def test_a_prefetch_goes_on_behind_a_neighbour_that_cannot_be_read(scene: Scene, fault: str) -> None:
    opened, last = scene.sample(), scene.sample(png((1, 2, 3)), "last.png")
    broken = scene.sample(png()[:60] if fault == "damaged" else b"no image", "broken.png")
    if fault == "missing":
        scene.store.delete(broken.object_key)
    images = scene.images()
    job_id = scene.queue(PREFETCH_SAMPLE, PrefetchSample(opened.id, (broken.id, last.id)))
    job = scene.run(job_id, PrefetchSampleWork(scene.sessions, images, scene.engine))
    assert job.state == JobState.SUCCEEDED
    scene.store.delete(last.object_key)
    assert images.upright(last.digest, last.object_key).shape == (40, 40, 3)


def delete_dataset(scene: Scene) -> None:
    with unit_of_work(scene.sessions) as session:
        datasets.mark_deleted(session, datasets.get_dataset(session, scene.dataset_id))


def test_purging_removes_rows_and_leaves_objects_unless_asked(scene: Scene) -> None:
    sample = scene.sample()
    scene.run(scene.queue_click(sample, SaveMode.DOCUMENT, "cat"))
    delete_dataset(scene)
    job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=False))
    job = scene.run(job_id, PurgeDatasetWork(scene.sessions, scene.store))
    assert job.result == {"dataset_id": str(scene.dataset_id), "samples": 1, "objects": 0}
    assert scene.store.exists(sample.object_key)
    with unit_of_work(scene.sessions) as session:
        assert session.get(Sample, sample.id) is None
        assert session.get(Dataset, scene.dataset_id) is None


def test_purging_removes_the_objects_when_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge_dataset, "SLICE", 2)
    made = [scene.sample(name=f"{number}.png") for number in range(5)]
    delete_dataset(scene)
    job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=True))
    job = scene.run(job_id, PurgeDatasetWork(scene.sessions, scene.store))
    assert job.result is not None and (job.result["samples"], job.result["objects"]) == (5, 5)
    assert not any(scene.store.exists(sample.object_key) for sample in made)


def test_purging_spares_an_object_that_another_dataset_shows(scene: Scene) -> None:
    shared = scene.sample()
    other = Scene(scene.sessions, scene.store, scene.redis)
    other.input_path = scene.input_path
    other.sample()
    delete_dataset(scene)
    job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=True))
    scene.run(job_id, PurgeDatasetWork(scene.sessions, scene.store))
    assert scene.store.exists(shared.object_key)


def test_of_two_purges_at_once_one_removes_what_both_datasets_show(scene: Scene) -> None:
    shared = scene.sample()
    other = Scene(scene.sessions, scene.store, scene.redis)
    other.input_path = scene.input_path
    other.sample()
    for each in (scene, other):
        delete_dataset(each)
    purged = []
    with unit_of_work(scene.sessions) as session:
        purged += trash.purge(session, trash.all_of(scene.dataset_id), 10, condemned_by=new_id()).condemned_keys
        second = threading.Thread(target=lambda: purged.extend(purge_all(other)))
        second.start()
        # It waits for the owners of the object, which this transaction holds.
        second.join(0.3)
        assert second.is_alive()
    second.join(10)
    assert purged == [shared.object_key]


def purge_all(scene: Scene) -> list[str]:
    with unit_of_work(scene.sessions) as session:
        return trash.purge(session, trash.all_of(scene.dataset_id), 10, condemned_by=new_id()).condemned_keys


def test_purging_removes_what_was_made_from_the_images(scene: Scene) -> None:
    sample = scene.sample()
    made = [thumbnail_key(sample.digest, 64)]
    made += [embedding_key(sample.digest, model * 64, "whole") for model in "ab"]
    others = embedding_key("ab" * 32, "a" * 64, "whole")
    for key in (*made, others):
        scene.store.put(key, b"small", content_type="image/jpeg")
    delete_dataset(scene)
    job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=False))
    scene.run(job_id, PurgeDatasetWork(scene.sessions, scene.store))
    assert [key for key in (*made, others) if scene.store.exists(key)] == [others]


def test_purging_keeps_what_is_made_from_an_image_that_another_dataset_shows(scene: Scene) -> None:
    sample = scene.sample()
    Scene(scene.sessions, scene.store, scene.redis).sample()
    scene.store.put(thumbnail_key(sample.digest, 64), b"small", content_type="image/jpeg")
    delete_dataset(scene)
    job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=True))
    scene.run(job_id, PurgeDatasetWork(scene.sessions, scene.store))
    assert scene.store.exists(thumbnail_key(sample.digest, 64))


def test_objects_of_a_purge_that_died_are_known_to_the_sweep(scene: Scene) -> None:
    sample = scene.sample()
    delete_dataset(scene)
    with unit_of_work(scene.sessions) as session:
        purged = trash.purge(session, trash.all_of(scene.dataset_id), 10, condemned_by=new_id())
    # Here the process dies: rows are gone, objects are not.
    assert purged.condemned_keys == [sample.object_key]
    with unit_of_work(scene.sessions) as session:
        assert session.get(UploadIntent, sample.object_key) is not None
