"""A dataset says what its bucket says: images that come, change, move, vanish and come back. On both stores."""

from collections.abc import Iterator

import pytest
from redis import Redis
from sqlalchemy import func, select, update
from tests.factories import image_bytes, sideways_jpeg
from tests.integration.storage.addresses import bucket_settings
from tests.integration.worker.sync_scene import SyncScene, counts, picture
from tests.integration.worker.version_jobs import publish, switch
from tests.s3_server import s3_bucket, s3_server  # noqa: F401 - fixtures

from fourpoint_core.domain.deletion import Selection
from fourpoint_core.errors import SyncRunningError
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.storage import ObjectStore, open_store
from fourpoint_core.store.models import ForgottenObject, Job, Sample, Version
from fourpoint_core.store.queries import jobs, sync_changes, trash, version_contents
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.syncer import images, renames, survey


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    if request.param == "directory":
        yield request.getfixturevalue("object_store")
    else:
        yield open_store(
            bucket_settings(request.getfixturevalue("s3_server"), request.getfixturevalue("s3_bucket"))
        )


@pytest.fixture
def scene(sessions: Sessions, store: ObjectStore, redis: Redis) -> Iterator[SyncScene]:
    made = SyncScene(sessions, store, redis)
    yield made
    made.check_counters()


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "STEPS", 3)
    monkeypatch.setattr(survey, "ITEMS", 2)
    monkeypatch.setattr(survey, "KNOWN_PAGE", 2)
    monkeypatch.setattr(images, "SLICE", 2)
    monkeypatch.setattr(renames, "SLICE", 2)


def read_by_a_worker(scene: SyncScene, name: str) -> None:
    """Somebody has opened the image: its SHA-256 is known from then on."""
    import hashlib

    row = scene.the(name)
    with unit_of_work(scene.sessions) as session:
        digest = hashlib.sha256(scene.store.read(row.object_key)).hexdigest()
        sync_changes.note_sha256(session, row.object_key, row.object_etag, digest)


def test_what_is_in_the_bucket_is_in_the_dataset(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("deep/er/b.JPG", sideways_jpeg(6))
    scene.put("c.bmp", image_bytes("BMP"))
    scene.put("readme.txt", b"hello")
    assert scene.sync() == {"added": 3, "ignored": 1}
    photo = scene.the("deep/er/b.JPG")
    assert (photo.name, photo.media_type, photo.width, photo.height) == ("b.JPG", "image/jpeg", 80, 100)
    assert photo.known_sha256 is None
    assert photo.object_modified_at is not None


def test_a_second_time_nothing_happens(scene: SyncScene) -> None:
    for name in ("a.png", "b.png", "c.png"):
        scene.put(name)
    scene.sync()
    before = [(row.id, row.revision, row.object_etag) for row in scene.samples()]
    assert scene.sync() == {"unchanged": 3}
    assert [(row.id, row.revision, row.object_etag) for row in scene.samples()] == before


def test_what_vanishes_is_missing_and_keeps_its_labels(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("b.png")
    scene.sync()
    scene.label(scene.the("a.png"))
    scene.remove("a.png")
    assert scene.sync() == {"missing": 1, "unchanged": 1}
    assert scene.states() == {"a.png": "missing", "b.png": "here"}
    assert scene.labels_of("a.png") == ["cat"]
    assert scene.sync() == {"still_missing": 1, "unchanged": 1}


def test_what_comes_back_is_what_it_was(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.sync()
    scene.label(scene.the("a.png"))
    row = scene.the("a.png")
    scene.remove("a.png")
    scene.sync()
    scene.put("a.png")
    assert scene.sync() == {"returned": 1}
    assert scene.states() == {"a.png": "here"}
    assert scene.the("a.png").id == row.id
    assert scene.sync() == {"unchanged": 1}


def test_other_bytes_of_the_same_size_keep_what_was_drawn(scene: SyncScene) -> None:
    scene.put("a.png", picture(1))
    scene.sync()
    scene.label(scene.the("a.png"))
    before = scene.the("a.png")
    scene.put("a.png", picture(2))
    assert scene.sync() == {"updated": 1}
    after = scene.the("a.png")
    assert scene.report() == {"a.png": ("updated", "image_changed")}
    assert scene.labels_of("a.png") == ["cat"]
    assert after.changed_at is not None and after.digest != before.digest and after.revision == 1


def test_an_image_of_another_size_lays_its_objects_aside(scene: SyncScene) -> None:
    scene.put("a.png", picture(1))
    scene.sync()
    scene.label(scene.the("a.png"))
    scene.put("a.png", picture(2, side=50))
    assert scene.sync() == {"updated": 1}
    after = scene.the("a.png")
    assert (after.width, after.height, after.annotation_count, after.revision) == (50, 50, 0, 2)
    assert scene.details()["a.png"]["revision"] == 2  # type: ignore[index]


def test_a_version_that_was_drawn_on_another_size_waits_for_the_file(scene: SyncScene) -> None:
    scene.put("a.png", picture(1))
    scene.put("b.png", picture(3))
    scene.sync()
    scene.label(scene.the("a.png"))
    version = publish(scene)
    scene.put("a.png", picture(2, side=50))
    scene.sync()
    job = switch(scene, version.id)
    assert job.result is not None
    assert (job.result["samples_resized"], job.result["samples_restored"]) == (1, 0)
    assert scene.labels_of("a.png") == []
    scene.put("a.png", picture(1))
    scene.sync()
    job = switch(scene, version.id)
    assert job.result is not None and job.result["samples_restored"] == 1
    assert scene.labels_of("a.png") == ["cat"]


def test_versions_that_pinned_other_bytes_report_the_drift(scene: SyncScene) -> None:
    for number, name in enumerate(("a.png", "b.png", "c.png", "d.png")):
        scene.put(name, picture(number))
    scene.sync()
    before, digest = publish(scene), scene.the("a.png").digest
    scene.put("a.png", picture(10))
    scene.remove("b.png")
    scene.put("d.png", picture(3))
    scene.sync()
    after = publish(scene)

    def drift(version: Version) -> dict[str, tuple[str, str]]:
        with unit_of_work(scene.sessions) as session:
            found, _ = version_contents.list_drift(session, version, None, 100)
        return {one.pin.name: (one.state.value, one.pin.digest) for one in found}

    assert drift(before)["a.png"] == ("replaced", digest)
    assert {name: state for name, (state, _) in drift(before).items() if name != "d.png"} == {
        "a.png": "replaced",
        "b.png": "missing",
    }
    # In a directory, a tag is a time: the same bytes written again are others until somebody has read both.
    assert ("d.png" in drift(before)) == (scene.store.bucket is None)
    assert drift(after) == {}


def test_the_same_bytes_written_again_change_nothing(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.sync()
    read_by_a_worker(scene, "a.png")
    before = scene.the("a.png")
    scene.put("a.png")
    scene.sync()
    after = scene.the("a.png")
    assert (after.changed_at, after.digest) == (None, before.digest)
    assert scene.sync() == {"unchanged": 1}


@pytest.mark.parametrize("when", ["at once", "missing first"])
def test_a_file_that_was_renamed_keeps_its_labels(scene: SyncScene, when: str) -> None:
    scene.put("a.png", picture(1))
    scene.put("other.png", picture(3))
    scene.sync()
    read_by_a_worker(scene, "a.png")
    scene.label(scene.the("a.png"))
    row = scene.the("a.png")
    if when == "missing first":
        scene.remove("a.png")
        scene.sync()
        scene.put("deep/z.png", picture(1))
    else:
        scene.move("a.png", "deep/z.png")
    assert scene.sync() == {"renamed": 1, "unchanged": 1}
    renamed = scene.the("deep/z.png")
    assert (renamed.id, renamed.name, renamed.missing_since) == (row.id, "z.png", None)
    assert scene.labels_of("deep/z.png") == ["cat"]
    assert scene.sync() == {"unchanged": 2}


def test_a_copy_is_no_rename(scene: SyncScene) -> None:
    scene.put("a.png", picture(1))
    scene.sync()
    scene.put("b.png", picture(1))
    assert scene.sync() == {"added": 1, "unchanged": 1}


def test_what_was_deleted_here_does_not_come_back(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.put("b.png")
    scene.sync()
    with unit_of_work(scene.sessions) as session:
        one = trash.selected(scene.dataset_id, Selection(ids=(scene.the("a.png").id,)))
        trash.throw_away(session, one, new_id(), LOCAL_USER_ID, 10)
    assert scene.sync() == {"left_alone": 1, "unchanged": 1}
    with unit_of_work(scene.sessions) as session:
        trashed = trash.trashed(scene.dataset_id, [scene.the("a.png").id])
        trash.purge(session, trashed, 10, condemned_by=None)
    assert scene.sync() == {"left_alone": 1, "unchanged": 1}
    assert scene.states() == {"b.png": "here"}


def test_what_was_forgotten_and_then_removed_is_new_when_it_comes_again(scene: SyncScene) -> None:
    with unit_of_work(scene.sessions) as session:
        session.add(ForgottenObject(dataset_id=scene.dataset_id, object_key=scene.key("a.png")))
    scene.sync()
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(ForgottenObject)) == 0
    scene.put("a.png")
    assert scene.sync() == {"added": 1}


def test_what_is_no_image_is_named_and_not_read_again(scene: SyncScene) -> None:
    scene.put("a.png", b"GIF89a, and not a PNG")
    scene.put("b.gif", b"GIF89a")
    scene.put("c.png", bytes(2**20 + 1))
    scene.put("d.png", picture()[:40])
    failed = {
        "a.png": ("failed", "image_format_unsupported"),
        "b.gif": ("failed", "image_format_unsupported"),
        "c.png": ("failed", "file_too_large"),
        "d.png": ("failed", "image_damaged"),
    }
    assert scene.sync() == {"failed": 4}
    assert scene.report() == failed
    scene.store.open_range = None  # type: ignore[method-assign, assignment]
    assert scene.sync() == {"failed": 4}
    assert scene.report() == failed


def test_what_was_refused_and_is_mended_is_taken(scene: SyncScene) -> None:
    scene.put("a.png", picture()[:40])
    scene.sync()
    scene.put("a.png")
    assert scene.sync() == {"added": 1}
    assert scene.sync() == {"unchanged": 1}


def test_an_image_that_broke_stays_as_it_was_and_is_named(scene: SyncScene) -> None:
    scene.put("a.png", picture(1))
    scene.sync()
    before = scene.the("a.png")
    scene.put("a.png", picture(2)[:40])
    assert scene.sync() == {"failed": 1}
    assert scene.the("a.png").object_etag == before.object_etag


def test_a_dry_run_says_what_would_happen_and_does_nothing(scene: SyncScene) -> None:
    for name in ("a.png", "b.png", "c.png"):
        scene.put(name, picture(ord(name[0])))
    scene.sync()
    before = [(row.id, row.object_etag, row.missing_since) for row in scene.samples()]
    scene.remove("a.png")
    scene.put("b.png", picture(1))
    scene.put("d.png", picture(2))
    planned = scene.sync(dry_run=True)
    assert planned == {"missing": 1, "updated": 1, "added": 1, "unchanged": 1}
    assert [(row.id, row.object_etag, row.missing_since) for row in scene.samples()] == before
    assert scene.sync() == planned


def test_one_at_a_time(scene: SyncScene) -> None:
    job_id = scene.queue_sync()
    with pytest.raises(SyncRunningError):
        scene.queue_sync()
    scene.run(job_id, scene.work())
    scene.queue_sync()


def test_a_file_that_is_missed_by_an_old_listing_is_not_missing(scene: SyncScene) -> None:
    scene.put("a.png")
    scene.sync()
    listing = scene.store.list
    scene.store.list = lambda *args: iter(())  # type: ignore[method-assign, assignment]
    assert scene.sync() == {}
    scene.store.list = listing  # type: ignore[method-assign]
    assert scene.states() == {"a.png": "here"}


def test_a_key_that_is_being_uploaded_is_left_to_the_upload(scene: SyncScene) -> None:
    from fourpoint_core.store.queries import samples

    scene.put("a.png")
    with unit_of_work(scene.sessions) as session:
        samples.condemn_keys(session, [scene.key("a.png")], by=new_id())
    assert scene.sync() == {}
    assert scene.states() == {}


def test_a_failed_run_goes_on_where_it_was(scene: SyncScene, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        scene.put(f"{number}.png", picture(number))
    job_id = scene.queue_sync()
    real, calls = sync_changes.add, []

    def fails_the_second_time(*args: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("a defect")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(sync_changes, "add", fails_the_second_time)
    assert scene.run(job_id, scene.work()).state == "failed"
    assert len(scene.samples()) == 2
    with unit_of_work(scene.sessions) as session:
        from fourpoint_core.jobs.contracts import SYNC_DATASET

        jobs.retry(session, job_id, SYNC_DATASET)
    scene.store.list = None  # type: ignore[method-assign, assignment]
    assert counts(scene.run(job_id, scene.work())) == {"added": 6}
    assert len(scene.samples()) == 6


def test_a_retry_waits_for_another_synchronisation(scene: SyncScene) -> None:
    from fourpoint_core.errors import JobStateError
    from fourpoint_core.jobs.contracts import SYNC_DATASET

    job_id = scene.queue_sync()
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(state="failed"))
    scene.queue_sync()
    with pytest.raises(JobStateError), unit_of_work(scene.sessions) as session:
        jobs.retry(session, job_id, SYNC_DATASET)


def test_a_bucket_that_is_not_there_marks_nothing_missing(scene: SyncScene) -> None:
    from fourpoint_core.errors import StorageUnavailableError

    scene.put("a.png")
    scene.sync()

    def away(*args: object) -> Iterator[object]:
        raise StorageUnavailableError("away")
        yield

    scene.store.list = away  # type: ignore[method-assign, assignment]
    job = scene.run(scene.queue_sync(), scene.work())
    assert (job.state, job.attempts) == ("queued", 1)
    assert scene.states() == {"a.png": "here"}


def test_samples_of_another_dataset_are_not_touched(scene: SyncScene) -> None:
    other = SyncScene(scene.sessions, scene.store, scene.redis)
    other.put("a.png")
    other.sync()
    assert scene.sync() == {}
    assert other.states() == {"a.png": "here"}
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(Sample)) == 1
