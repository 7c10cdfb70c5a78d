"""What is exported is what was asked for: of a version its own state, of the bucket what is there."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import func, select, update
from tests.integration.worker.exports import (
    RING,
    contents,
    draw,
    export,
    keys_below,
    kitchen,
    queue,
    read,
    work,
)
from tests.integration.worker.scenes import Scene
from tests.integration.worker.version_jobs import publish, queue_publication

from fourpoint_core.domain.filters import SampleFilter, Status
from fourpoint_core.domain.transfers import ExportOrder, FormatName
from fourpoint_core.errors import StorageUnavailableError
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.payloads.versions import PublishVersion
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Export, Job, JobAttempt, Sample, Version
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.sweep import Sweep
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork
from fourpoint_worker.tasks.publish_version import PublishVersionWork

COCO = "annotations/instances_default.json"


def names(scene: Scene, made: Export) -> list[str]:
    return [image["file_name"] for image in json.loads(contents(scene, made)[COCO])["images"]]


@pytest.mark.parametrize("name", [name.value for name in FormatName])
def test_a_version_is_exported_as_it_was_published(scene: Scene, name: str) -> None:
    first, *_ = kitchen(scene)
    version = publish(scene)
    _, before = export(scene, name, wanted=SampleFilter(version=version.id))
    draw(scene, first, "fork", RING)
    scene.sample(name="later.png")
    _, now = export(scene, name)
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Export).values(expires_at=func.clock_timestamp()))
    _, again = export(scene, name, wanted=SampleFilter(version=version.id))
    assert again.id != before.id
    assert contents(scene, again) == contents(scene, before) != contents(scene, now)


def miss(scene: Scene, sample: Sample) -> None:
    with unit_of_work(scene.sessions) as session:
        session.execute(
            update(Sample).where(Sample.id == sample.id).values(missing_since=func.clock_timestamp())
        )


def test_what_is_missing_from_the_bucket_is_exported_only_where_it_is_asked_for(scene: Scene) -> None:
    first, second, _ = kitchen(scene)
    miss(scene, first)
    found = {
        "everything": export(scene),
        "labeled": export(scene, wanted=SampleFilter(status=Status.LABELED)),
        "missing": export(scene, wanted=SampleFilter(status=Status.MISSING)),
        "by name": export(scene, ids=(first.id, second.id)),
    }
    assert {asked: names(scene, made) for asked, (_, made) in found.items()} == {
        "everything": ["c.png", "shelf/b.png"],
        "labeled": ["shelf/b.png"],
        "missing": ["shelf/a.png"],
        "by name": ["shelf/a.png", "shelf/b.png"],
    }


def publish_with_files(scene: Scene, name: str | None = None) -> UUID:
    """Publish and have it written; the export's job, which nobody has run."""
    job_id, version_id = queue_publication(scene, name)
    payload = PublishVersion(scene.dataset_id, version_id, "out/")
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(payload=payload.to_json()))
    job = scene.run(job_id, PublishVersionWork(scene.sessions))
    return UUID((job.result or {})["export_job_id"])


def written(scene: Scene, job_id: UUID) -> Export:
    job = scene.run(job_id, work(scene))
    assert job.state == "succeeded", job.error
    return read(scene, UUID((job.result or {})["export_id"]))


@pytest.fixture
def folder(scene: Scene) -> str:
    """Where the versions of the dataset go."""
    with unit_of_work(scene.sessions) as session:
        dataset = session.scalars(select(Dataset).where(Dataset.id == scene.dataset_id)).one()
    return f"out/{dataset.name.replace(' ', '_')}-{dataset.id}/annotation/"


def test_a_version_that_is_published_with_its_files_lies_in_the_folder_of_its_name(
    scene: Scene, folder: str
) -> None:
    kitchen(scene)
    made = written(scene, publish_with_files(scene))
    assert made.prefix == f"{folder}V001/"
    files = contents(scene, made)
    assert sorted(files) == [
        "V001.manifest",
        "annotations/shelf/a.xml",
        "annotations/shelf/b.xml",
        "fourpoint.json",
        "segmentationClass/shelf/a.png",
        "segmentationClass/shelf/b.png",
    ]
    lines = [json.loads(line) for line in files["V001.manifest"].splitlines()]
    assert lines[1]["annotation"][0]["annotation-loc"] == (
        f"file:///bucket/{folder}V001/annotations/shelf/a.xml"
    )
    assert lines[1]["source"] == f"file:///bucket/{scene.input_path}shelf/a.png"


@pytest.mark.parametrize("report", [b"[" * 100_000, b"5"])
def test_where_somebody_has_files_of_their_own_a_version_gets_another_folder(
    scene: Scene, folder: str, report: bytes
) -> None:
    kitchen(scene)
    scene.store.put(f"{folder}V001/fourpoint.json", report, content_type="application/json")
    made = written(scene, publish_with_files(scene))
    assert made.prefix.startswith(f"{folder}V001-")
    assert scene.store.read(f"{folder}V001/fourpoint.json") == report


class Failing:
    """A store that fails after so many writes."""

    def __init__(self, store: ObjectStore, writes: int):
        self._store = store
        self._left = writes

    def __getattr__(self, name: str) -> object:
        if name == "put":
            self._left -= 1
            if self._left < 0:
                raise StorageUnavailableError("503")
        return getattr(self._store, name)


def break_off(scene: Scene, job_id: UUID) -> None:
    """A try after which some of the files are there."""
    broken = ExportDatasetWork(scene.sessions, Failing(scene.store, 4), "file:///bucket", 7)  # type: ignore[arg-type]
    assert scene.run(job_id, broken).state == "queued"


def test_a_try_that_breaks_off_is_gone_over_by_the_next_and_nothing_of_it_is_swept_away(
    scene: Scene, folder: str, core_settings: CoreSettings, redis: Redis
) -> None:
    kitchen(scene)
    job_id = publish_with_files(scene)
    break_off(scene, job_id)
    assert not any(key.endswith(".manifest") for key in keys_below(scene, "out/"))
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_after=None))
        session.execute(update(JobAttempt).values(ended_at=JobAttempt.ended_at - timedelta(minutes=2)))
    made = written(scene, job_id)
    dispatcher = Dispatcher(celery_app(core_settings, "tests"), scene.sessions)
    Sweep(core_settings, scene.sessions, redis, scene.store, dispatcher).run()
    assert made.prefix == f"{folder}V001/"
    assert len(contents(scene, made)) == made.files == 6


def test_a_name_that_a_deleted_version_had_gets_a_folder_of_its_own(scene: Scene, folder: str) -> None:
    first, *_ = kitchen(scene)
    earlier = written(scene, publish_with_files(scene, "V001"))
    before = contents(scene, earlier)
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Version).values(name="gone"))
    draw(scene, first, "fork", RING)
    later = written(scene, publish_with_files(scene, "V001"))
    assert Path(later.prefix).name.startswith("V001-")
    assert contents(scene, earlier) == before
    assert len(contents(scene, later)["annotations/shelf/a.xml"]) > len(before["annotations/shelf/a.xml"])


def test_what_a_broken_publication_left_never_mixes_with_another_version_of_its_name(
    scene: Scene, folder: str
) -> None:
    kitchen(scene)
    break_off(scene, publish_with_files(scene, "V001"))
    left = keys_below(scene, f"{folder}V001/")
    assert left
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Version).values(name="gone"))
    later = written(scene, publish_with_files(scene, "V001"))
    assert Path(later.prefix).name.startswith("V001-")
    assert len(contents(scene, later)) == later.files
    assert keys_below(scene, f"{folder}V001/") == left


def test_files_that_were_removed_and_are_written_anew_in_vain_are_not_taken_for_whole(scene: Scene) -> None:
    kitchen(scene)
    job_id = publish_with_files(scene)
    made = written(scene, job_id)
    for path in contents(scene, made):
        scene.store.delete(made.prefix + path)
    order = ExportOrder.from_json(made.order)
    again = queue(scene, order)
    break_off(scene, again)
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == again).values(run_after=None))
    assert len(contents(scene, written(scene, again))) == made.files
