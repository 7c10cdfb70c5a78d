"""Exports: of one moment, shared while nothing changes, and never half to be seen."""

import json
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from tests.integration.worker.exports import contents, draw, export, keys_below, kitchen, queue, read, work
from tests.integration.worker.scenes import Scene

from fourpoint_core.domain.filters import SampleFilter, Status
from fourpoint_core.domain.transfers import ExportOrder, FormatName, Split
from fourpoint_core.errors import StorageUnavailableError
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Export, ExportAttempt, JobAttempt
from fourpoint_core.store.queries import labels, trash
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.sweep import Sweep
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork

COCO = "annotations/instances_default.json"
ARCHIVES = ".fourpoint-exports/"


@pytest.fixture
def sweep(core_settings: CoreSettings, scene: Scene) -> Sweep:
    dispatcher = Dispatcher(celery_app(core_settings, "tests"), scene.sessions)
    return Sweep(core_settings, scene.sessions, scene.redis, scene.store, dispatcher)


def coco(scene: Scene, made: Export) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(contents(scene, made)[COCO])
    return found


@pytest.mark.parametrize("name", [name.value for name in FormatName])
def test_every_format_is_exported_with_its_images(scene: Scene, name: str) -> None:
    kitchen(scene)
    _, made = export(scene, name, with_images=True)
    files = contents(scene, made)
    assert sum(path.endswith("shelf/a.png") and "egmentation" not in path for path in files) == 1
    assert made.files == len(files)
    assert json.loads(files["fourpoint.json"])["conversions"] == made.report["conversions"]


def test_paths_are_those_below_the_datasets_own(scene: Scene) -> None:
    kitchen(scene)
    _, made = export(scene)
    assert [image["file_name"] for image in coco(scene, made)["images"]] == [
        "c.png",
        "shelf/a.png",
        "shelf/b.png",
    ]


def test_a_filter_or_a_selection_is_exported(scene: Scene) -> None:
    first, second, _ = kitchen(scene)
    _, labeled = export(scene, wanted=SampleFilter(status=Status.LABELED))
    assert len(coco(scene, labeled)["images"]) == 2
    job, one = export(scene, ids=(second.id, scene.dataset_id))
    assert [image["file_name"] for image in coco(scene, one)["images"]] == ["shelf/b.png"]
    assert one.report["conversions"]["sample_not_found"] == 1
    assert first.id != job.id


def test_what_lies_in_the_trash_is_not_exported(scene: Scene) -> None:
    first, *_ = kitchen(scene)
    with unit_of_work(scene.sessions) as session:
        ids = trash.selected(scene.dataset_id, scenes_selection(first.id))
        trash.throw_away(session, ids, scene.dataset_id, first.created_by, 10)
    _, made = export(scene)
    assert [image["file_name"] for image in coco(scene, made)["images"]] == ["c.png", "shelf/b.png"]


def scenes_selection(*ids: UUID) -> "object":
    from fourpoint_core.domain.deletion import Selection

    return Selection(ids=ids)


def test_a_label_is_called_what_it_is_called_now(scene: Scene) -> None:
    kitchen(scene)
    with unit_of_work(scene.sessions) as session:
        label = labels.find_label(session, scene.dataset_id, "cup")
        assert label is not None
        labels.change_label(session, label, name="mug", colour="#112233", shortcut=None)
    _, made = export(scene)
    assert coco(scene, made)["categories"][0] == {
        "id": 1,
        "name": "mug",
        "supercategory": "",
        "color": "#112233",
    }


def test_the_same_asked_again_is_not_made_again(scene: Scene) -> None:
    kitchen(scene)
    first, made = export(scene)
    again, same = export(scene)
    assert (first.result, again.result) == (
        {"export_id": str(made.id), "shared": False},
        {"export_id": str(made.id), "shared": True},
    )
    assert len(list(keys_below(scene, ARCHIVES))) == 1
    assert same.id == made.id


def test_after_a_change_it_is_made_again(scene: Scene) -> None:
    first, *_ = kitchen(scene)
    _, made = export(scene)
    draw(scene, first, "fork")
    _, later = export(scene)
    assert later.id != made.id
    assert len(coco(scene, later)["annotations"]) == 4
    assert len(coco(scene, made)["annotations"]) == 3


def test_an_archive_that_somebody_removed_is_made_again(scene: Scene) -> None:
    kitchen(scene)
    _, made = export(scene)
    assert made.object_key is not None
    scene.store.delete(made.object_key)
    _, later = export(scene)
    assert contents(scene, later)[COCO]


def test_two_archives_of_the_same_content_are_the_same_bytes(scene: Scene) -> None:
    kitchen(scene)
    _, made = export(scene, with_images=True)
    data = scene.store.read(made.object_key or "")
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Export).values(expires_at=func.clock_timestamp()))
    _, later = export(scene, with_images=True)
    assert later.id != made.id
    assert scene.store.read(later.object_key or "") == data


def test_files_go_to_a_path_of_the_bucket(scene: Scene) -> None:
    kitchen(scene)
    _, made = export(scene, "modelarts", output_path="out/of/here/", with_images=True)
    assert made.prefix.startswith("out/of/here/dataset_")
    files = contents(scene, made)
    line = json.loads(next(data for path, data in files.items() if path.endswith(".manifest")).splitlines()[1])
    assert line["annotation"][0]["annotation-loc"] == f"file:///bucket/{made.prefix}annotations/shelf/a.xml"
    assert line["source"] == f"file:///bucket/{made.prefix}data/shelf/a.png"
    assert made.expires_at is None


def test_images_that_share_a_name_but_for_the_extension_do_not_share_a_file(scene: Scene) -> None:
    for name in ("a.png", "a.png.jpg", "a.jpg"):
        draw(scene, scene.sample(name=name), "cup")
    _, made = export(scene, "modelarts")
    names = sorted(path for path in contents(scene, made) if path.endswith(".xml"))
    assert len(names) == 3
    assert made.report["conversions"]["stem_changed"] == 2


def test_a_file_that_is_gone_is_counted(scene: Scene) -> None:
    first, *_ = kitchen(scene)
    scene.store.delete(first.object_key)
    _, made = export(scene, with_images=True)
    assert made.report["conversions"]["image_missing"] == 1


def test_a_split_spreads_every_label_by_its_ratios(scene: Scene) -> None:
    for number in range(40):
        sample = scene.sample(name=f"{number:02}.png")
        draw(scene, sample, "common" if number % 4 else "rare")
    _, made = export(scene, split=Split((0.8, 0.1, 0.1), 7))
    files = contents(scene, made)
    found = {
        usage: Counter(
            each["category_id"]
            for each in json.loads(files[f"annotations/instances_{usage}.json"])["annotations"]
        )
        for usage in ("train", "val", "test")
    }
    assert found == {"train": {1: 8, 2: 24}, "val": {1: 1, 2: 3}, "test": {1: 1, 2: 3}}


def test_the_seed_decides_who_goes_where_and_the_same_seed_the_same(scene: Scene) -> None:
    for number in range(12):
        draw(scene, scene.sample(name=f"{number:02}.png"), "cup")

    def names(seed: int) -> bytes:
        _, made = export(scene, "yolo", split=Split((0.5, 0.5, 0.0), seed))
        return repr(sorted(contents(scene, made))).encode()

    assert names(1) == names(1)
    assert len({names(seed) for seed in range(4)}) > 1


def test_an_attribute_may_say_which_part_an_image_is_in(scene: Scene) -> None:
    for name, part in (("a.png", "Val"), ("b.png", "test"), ("c.png", "nowhere")):
        draw(scene, scene.sample(name=name), "cup", attributes={"split": part})
    _, made = export(scene, "yolo", split=Split(attribute="split"))
    assert {path for path in contents(scene, made) if path.endswith(".txt")} == {
        "labels/val/a.txt",
        "labels/test/b.txt",
        "labels/train/c.txt",
    }
    assert made.report["conversions"]["split_attribute_missing"] == 1


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


def test_a_store_that_fails_costs_another_try_and_shows_nothing_half(scene: Scene, sweep: Sweep) -> None:
    kitchen(scene)
    order = ExportOrder(FormatName.MODELARTS, output_path="out/")
    job_id = queue(scene, order)
    broken = ExportDatasetWork(scene.sessions, Failing(scene.store, 2), "file:///bucket", 7)  # type: ignore[arg-type]
    assert scene.run(job_id, broken).state == "queued"
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(Export)) == 0
    make_due(scene, job_id)
    job = scene.run(job_id, work(scene))
    made = read(scene, UUID((job.result or {})["export_id"]))
    age_attempts(scene)
    sweep.run()
    assert {key.split("/")[1] for key in keys_below(scene, "out/")} == {made.prefix.split("/")[1]}
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(ExportAttempt)) == 0


def make_due(scene: Scene, job_id: UUID) -> None:
    from fourpoint_core.store.models import Job

    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_after=None))


def age_attempts(scene: Scene) -> None:
    with unit_of_work(scene.sessions) as session:
        session.execute(update(JobAttempt).values(ended_at=JobAttempt.ended_at - timedelta(minutes=2)))


def test_the_sweep_removes_archives_whose_time_is_up_and_those_of_datasets_that_are_gone(
    scene: Scene, sweep: Sweep
) -> None:
    kitchen(scene)
    _, made = export(scene)
    sweep.run()
    assert list(keys_below(scene, ARCHIVES)) == [made.object_key]
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Export).values(expires_at=func.clock_timestamp()))
    sweep.run()
    assert list(keys_below(scene, ARCHIVES)) == []


_KILLED = """
import os, signal, sys
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import open_store
from fourpoint_core.store.session import connect
from redis import Redis
from uuid import UUID
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork

settings = CoreSettings(database_url=sys.argv[1], redis_url=sys.argv[2], storage_url=sys.argv[3])
sessions, store = connect(settings), open_store(settings)
left = int(sys.argv[5])

class Dying:
    def __getattr__(self, name):
        global left
        if name == "put":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return getattr(store, name)

keeper = LeaseKeeper(sessions, 1.0, stage_seconds=60)
runner = Runner(sessions, Redis.from_url(sys.argv[2]), keeper, 1.0, "doomed")
runner.run(ExportDatasetWork(sessions, Dying(), "file:///bucket", 7), UUID(sys.argv[4]))
"""


def test_a_worker_that_is_killed_leaves_nothing_to_be_seen_and_the_next_try_makes_it_whole(
    scene: Scene, sweep: Sweep, core_settings: CoreSettings, tmp_path: Path
) -> None:
    kitchen(scene)
    job_id = queue(scene, ExportOrder(FormatName.MODELARTS, output_path="out/"))
    program = [sys.executable, "-c", _KILLED]
    where = [core_settings.database_url, core_settings.redis_url, core_settings.storage_url]
    done = subprocess.run([*program, *where, str(job_id), "3"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(keys_below(scene, "out/"))) == 3
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(Export)) == 0
    wait_for_requeue(scene, sweep, job_id)
    job = scene.run(job_id, work(scene))
    made = read(scene, UUID((job.result or {})["export_id"]))
    age_attempts(scene)
    sweep.run()
    assert all(key.startswith(made.prefix) for key in keys_below(scene, "out/"))
    _, undisturbed = export(scene, "modelarts", output_path="other/")
    assert strip(contents(scene, made), made.prefix) == strip(contents(scene, undisturbed), undisturbed.prefix)


def strip(files: dict[str, bytes], prefix: str) -> dict[str, bytes]:
    """Without the place, which is another one for every export."""
    return {path: data.replace(prefix.encode(), b"") for path, data in files.items()}


def wait_for_requeue(scene: Scene, sweep: Sweep, job_id: UUID) -> None:
    import time

    for _ in range(100):
        sweep.settle_jobs()
        if scene.job(job_id).state == "queued":
            return
        time.sleep(0.1)
    raise AssertionError("the job was not queued again")
