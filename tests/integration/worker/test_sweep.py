"""What fell through is found: by age, at any age, bounded by the queue's depth, one sweep at a time."""

import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis
from sqlalchemy import func, select, update
from tests.integration.worker.scenes import Scene

from fourpoint_core.domain.filters import SampleFilter, Sort
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import StorageUnavailableError
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage.derived import embedding_key
from fourpoint_core.storage.pictures import picture_key
from fourpoint_core.store.models import Job, SampleLease, TallyDelta, UploadIntent, WorkerProcess
from fourpoint_core.store.queries import leases, sample_leases, samples, tallies, workers
from fourpoint_core.store.session import one_at_a_time, unit_of_work
from fourpoint_worker import sweep as sweep_module
from fourpoint_worker.sweep import Sweep

# However slow the machine is, what happens in a test is of this moment.
REDISPATCH_SECONDS = 300.0


@pytest.fixture
def broker(core_settings: CoreSettings) -> Celery:
    return celery_app(core_settings, "tests")


def make_sweep(core_settings: CoreSettings, scene: Scene, broker: Celery) -> Sweep:
    dispatcher = Dispatcher(broker, scene.sessions)
    settings = replace(core_settings, redispatch_seconds=REDISPATCH_SECONDS)
    return Sweep(settings, scene.sessions, scene.redis, scene.store, dispatcher)


@pytest.fixture
def sweep(core_settings: CoreSettings, scene: Scene, broker: Celery) -> Sweep:
    return make_sweep(core_settings, scene, broker)


def change(scene: Scene, job_id: object, **values: object) -> None:
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def ago(**span: float) -> object:
    return func.clock_timestamp() - timedelta(**span)


def waiting(redis: Redis, queue: Queue = Queue.CLICK) -> int:
    depth = redis.llen(queue.value)
    assert isinstance(depth, int)
    return depth


def test_a_job_whose_message_was_never_published_is_published(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    change(scene, job_id, dispatched_at=None)
    sweep.run()
    assert waiting(scene.redis) == 1
    assert scene.job(job_id).dispatched_at is not None


def test_a_job_of_this_moment_is_left_to_its_api(scene: Scene, sweep: Sweep) -> None:
    scene.queue_click(scene.sample())
    sweep.run()
    assert waiting(scene.redis) == 0


def test_a_message_that_is_probably_lost_is_published_again(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    change(scene, job_id, dispatched_at=ago(seconds=1.5 * REDISPATCH_SECONDS), dispatches=1)
    sweep.run()
    assert waiting(scene.redis) == 1


def test_the_pause_doubles_with_every_publication(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    change(scene, job_id, dispatched_at=ago(seconds=1.5 * REDISPATCH_SECONDS), dispatches=2)
    sweep.run()
    assert waiting(scene.redis) == 0


def test_no_job_is_too_old_to_be_published(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    change(
        scene,
        job_id,
        created_at=ago(days=400),
        dispatched_at=ago(days=399),
        dispatches=500,
        deadline_at=func.clock_timestamp() + timedelta(days=1),
    )
    sweep.run()
    assert waiting(scene.redis) == 1


def test_a_full_queue_gets_no_more_messages(
    scene: Scene, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, "QUEUE_DEPTH", 2)
    sample = scene.sample()
    for _ in range(5):
        change(scene, scene.queue_click(sample), dispatched_at=None)
    sweep.run()
    sweep.run()
    assert waiting(scene.redis) == 2


def test_a_job_whose_worker_died_is_run_by_another(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    with unit_of_work(scene.sessions) as session:
        leases.claim(session, job_id, "dead", lease_seconds=0)
    sweep.run()
    assert scene.run(job_id).state == JobState.SUCCEEDED
    assert scene.outcomes(job_id) == ["lease_expired", "succeeded"]


def test_a_job_that_kills_every_worker_ends_as_failed(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    for _ in range(5):
        with unit_of_work(scene.sessions) as session:
            assert leases.claim(session, job_id, "dead", lease_seconds=0) is not None
        sweep.run()
    job = scene.job(job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None and job.error["code"] == "attempts_exhausted"
    assert job.error["detail"] == "All 5 attempts ended without a result."


def test_a_job_that_hung_to_the_last_says_where(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    change(scene, job_id, max_attempts=1)
    with unit_of_work(scene.sessions) as session:
        claimed = leases.claim(session, job_id, "hanging", lease_seconds=0)
        assert claimed is not None
        leases.note_overrun(session, claimed.lease, "The stage 'embedding' hung.")
    sweep.run()
    error = scene.job(job_id).error
    assert error is not None and error["code"] == "attempts_exhausted"
    assert error["detail"].endswith("The last attempt: The stage 'embedding' hung.")


def test_a_queued_job_past_its_deadline_ends_as_failed(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    change(scene, job_id, deadline_at=ago(seconds=1))
    sweep.run()
    job = scene.job(job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None and job.error["code"] == "deadline_exceeded"


def test_a_running_job_under_a_live_lease_is_left_alone(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    with unit_of_work(scene.sessions) as session:
        leases.claim(session, job_id, "alive", lease_seconds=60)
    sweep.run()
    assert scene.job(job_id).state == JobState.RUNNING


def test_only_one_process_sweeps_at_a_time(scene: Scene, sweep: Sweep) -> None:
    job_id = scene.queue_click(scene.sample())
    change(scene, job_id, deadline_at=ago(seconds=1))
    with one_at_a_time(scene.sessions, sweep_module.ADVISORY_LOCK) as mine:
        assert mine
        sweep.run()
        assert scene.job(job_id).state == JobState.QUEUED
    sweep.run()
    assert scene.job(job_id).state == JobState.FAILED


def test_the_object_of_an_upload_that_died_is_removed(scene: Scene, sweep: Sweep) -> None:
    scene.store.put("left/behind.png", b"bytes", content_type="image/png")
    with unit_of_work(scene.sessions) as session:
        samples.reserve_key(session, new_id(), "left/behind.png")
        session.flush()
        session.execute(update(UploadIntent).values(created_at=ago(hours=2)))
    sweep.run()
    assert not scene.store.exists("left/behind.png")
    with unit_of_work(scene.sessions) as session:
        assert session.get(UploadIntent, "left/behind.png") is None


def test_an_upload_that_is_still_at_it_keeps_its_object(scene: Scene, sweep: Sweep) -> None:
    scene.store.put("under/way.png", b"bytes", content_type="image/png")
    with unit_of_work(scene.sessions) as session:
        samples.reserve_key(session, new_id(), "under/way.png")
    sweep.run()
    assert scene.store.exists("under/way.png")


def test_an_object_store_that_is_away_stops_no_other_duty(
    scene: Scene, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unit_of_work(scene.sessions) as session:
        samples.reserve_key(session, new_id(), "left/behind.png")
        workers.greet(session, "gone", ["click"], None, None)
        session.flush()
        session.execute(update(UploadIntent).values(created_at=ago(hours=2)))
        session.execute(update(WorkerProcess).values(seen_at=ago(minutes=5)))

    def refuse(key: str) -> None:
        raise StorageUnavailableError("The store sleeps.")

    monkeypatch.setattr(scene.store, "delete", refuse)
    sweep.run()
    with unit_of_work(scene.sessions) as session:
        assert session.get(UploadIntent, "left/behind.png") is not None
        assert workers.workers_seen(session, timedelta(days=1)) == []


def test_the_object_of_a_sample_is_never_removed(scene: Scene, sweep: Sweep) -> None:
    sample = scene.sample()
    with unit_of_work(scene.sessions) as session:
        session.add(UploadIntent(object_key=sample.object_key, upload_id=new_id()))
        session.flush()
        session.execute(update(UploadIntent).values(created_at=ago(hours=2)))
    sweep.run()
    assert scene.store.exists(sample.object_key)


def test_a_worker_that_fell_silent_is_forgotten(scene: Scene, sweep: Sweep) -> None:
    with unit_of_work(scene.sessions) as session:
        workers.greet(session, "gone", ["click"], None, None)
        workers.greet(session, "here", ["click"], None, None)
        session.flush()
        session.execute(
            update(WorkerProcess).where(WorkerProcess.name == "gone").values(seen_at=ago(minutes=5))
        )
    sweep.run()
    with unit_of_work(scene.sessions) as session:
        assert [worker.name for worker in workers.workers_seen(session, timedelta(days=1))] == ["here"]


def test_counts_are_folded_and_stay(scene: Scene, sweep: Sweep) -> None:
    scene.sample()
    with unit_of_work(scene.sessions) as session:
        before = tallies.sample_totals(session, scene.dataset_id)
    sweep.run()
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(TallyDelta)) == 0
        assert tallies.sample_totals(session, scene.dataset_id) == before
        assert before.total > 0


def test_the_lease_of_a_labeler_who_went_away_is_forgotten(scene: Scene, sweep: Sweep) -> None:
    scene.sample()
    with unit_of_work(scene.sessions) as session:
        wanted, sort, gone = SampleFilter(), Sort(), timedelta(seconds=-1)
        sample_leases.take_next(session, scene.dataset_id, wanted, sort, LOCAL_USER_ID, gone)
    sweep.run()
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(SampleLease)) == 0


def put_picture(scene: Scene, folder: Path, digest: str, hours_old: float) -> str:
    return put_object(scene, folder, picture_key(digest), hours_old)


def put_object(scene: Scene, folder: Path, key: str, hours_old: float) -> str:
    scene.store.put(key, b"bytes", content_type="image/png")
    moment = time.time() - hours_old * 3600
    os.utime(folder / "objects" / key, (moment, moment))
    return key


def test_an_image_of_another_tool_is_removed_when_its_hours_are_over_and_nothing_else_is(
    scene: Scene, sweep: Sweep, tmp_path: Path
) -> None:
    old = put_picture(scene, tmp_path, "ab" * 32, hours_old=24.1)
    fresh = put_picture(scene, tmp_path, "ac" * 32, hours_old=23.9)
    sample = scene.sample()
    long_ago = time.time() - 400 * 86400
    os.utime(tmp_path / "objects" / sample.object_key, (long_ago, long_ago))
    sweep.run()
    assert [key for key in (old, fresh, sample.object_key) if scene.store.exists(key)] == [
        fresh,
        sample.object_key,
    ]


def test_embeddings_past_their_time_are_removed_whether_or_not_a_worker_keeps_new_ones(
    scene: Scene, sweep: Sweep, tmp_path: Path
) -> None:
    old, fresh = (
        put_object(scene, tmp_path, embedding_key("ab" * 32, "cd" * 32, frame), hours_old)
        for frame, hours_old in (("whole", 24.1), ("0-0-64-64", 23.9))
    )
    sweep.run()
    assert [scene.store.exists(key) for key in (old, fresh)] == [False, True]


def test_images_of_other_tools_are_listed_now_and_then_only(
    core_settings: CoreSettings, scene: Scene, broker: Celery, sweep: Sweep, tmp_path: Path
) -> None:
    sweep.run()
    key = put_picture(scene, tmp_path, "ab" * 32, hours_old=25)
    sweep.run()
    assert scene.store.exists(key)
    # Another process looks when it has not looked yet.
    make_sweep(core_settings, scene, broker).run()
    assert not scene.store.exists(key)
