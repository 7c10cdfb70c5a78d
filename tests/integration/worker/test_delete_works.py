"""Jobs that delete and restore many images: in slices, each final, also when the process is killed."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from tests.integration.worker.scenes import Scene

from fourpoint_core.domain.deletion import Selection
from fourpoint_core.domain.filters import SampleFilter, Status
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import CancelledError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import DELETE_SAMPLES, RESTORE_SAMPLES, DeleteSamples, RestoreSamples
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage.staging import staged_key
from fourpoint_core.store.models import (
    PRESENT,
    DirectUpload,
    ForgottenObject,
    IdempotencyKey,
    Job,
    Sample,
    UploadIntent,
)
from fourpoint_core.store.queries import idempotency, trash, uploads
from fourpoint_core.store.queries.idempotency import Attempt
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.sweep import Sweep
from fourpoint_worker.tasks import delete_samples, restore_samples
from fourpoint_worker.tasks.delete_samples import DeleteSamplesWork
from fourpoint_worker.tasks.restore_samples import RestoreSamplesWork

UNLABELED = Selection(filter=SampleFilter(status=Status.UNLABELED))


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (delete_samples, restore_samples):
        monkeypatch.setattr(module, "SLICE", 2)


@pytest.fixture
def sweep(core_settings: CoreSettings, scene: Scene) -> Sweep:
    dispatcher = Dispatcher(celery_app(core_settings, "tests"), scene.sessions)
    return Sweep(core_settings, scene.sessions, scene.redis, scene.store, dispatcher)


def make_samples(scene: Scene, count: int = 5) -> list[Sample]:
    return [scene.sample(name=f"{number}.png") for number in range(count)]


def queue(
    scene: Scene,
    selection: Selection = UNLABELED,
    *,
    delete_source: bool = False,
    deletion_id: UUID | None = None,
) -> UUID:
    payload = DeleteSamples(scene.dataset_id, deletion_id or new_id(), selection, delete_source)
    return scene.queue(DELETE_SAMPLES, payload)


def delete(scene: Scene, job_id: UUID) -> Job:
    return scene.run(job_id, DeleteSamplesWork(scene.sessions, scene.store))


def present(scene: Scene) -> Sequence[UUID]:
    with unit_of_work(scene.sessions) as session:
        return session.scalars(select(Sample.id).where(PRESENT)).all()


def rows(scene: Scene) -> int:
    with unit_of_work(scene.sessions) as session:
        return session.scalar(select(func.count()).select_from(Sample)) or 0


def test_all_that_match_go_into_the_trash(scene: Scene) -> None:
    made = make_samples(scene)
    job = delete(scene, queue(scene))
    assert job.result is not None and job.result["samples"] == 5
    assert (present(scene), rows(scene)) == ([], 5)
    assert all(scene.store.exists(sample.object_key) for sample in made)


def test_with_their_source_they_go_for_good(scene: Scene) -> None:
    made = make_samples(scene)
    job = delete(scene, queue(scene, delete_source=True))
    assert job.result is not None and (job.result["samples"], job.result["objects_removed"]) == (5, 5)
    assert rows(scene) == 0
    assert not any(scene.store.exists(sample.object_key) for sample in made)


def test_objects_that_another_dataset_shows_stay_and_are_counted(scene: Scene) -> None:
    (shared,) = make_samples(scene, 1)
    other = Scene(scene.sessions, scene.store, scene.redis)
    other.input_path = scene.input_path
    other.sample(name="0.png")
    job = delete(scene, queue(scene, delete_source=True))
    assert job.result is not None and (job.result["objects_removed"], job.result["objects_shared"]) == (0, 1)
    assert scene.store.exists(shared.object_key)


def test_what_comes_after_the_request_is_left_alone(scene: Scene) -> None:
    make_samples(scene)
    with unit_of_work(scene.sessions) as session:
        job_id = queue(scene, UNLABELED.as_of(trash.now(session)))
    late = scene.sample(name="late.png")
    delete(scene, job_id)
    assert present(scene) == [late.id]


def test_a_cancelled_deletion_leaves_the_rest(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    make_samples(scene)
    job_id = queue(scene)
    real = trash.throw_away
    calls: list[int] = []

    def cancelled_meanwhile(*args: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise CancelledError("The job was cancelled.")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(trash, "throw_away", cancelled_meanwhile)
    assert delete(scene, job_id).state == JobState.CANCELLED
    assert len(present(scene)) == 3


def test_what_one_deletion_threw_away_comes_back(scene: Scene) -> None:
    made = make_samples(scene)
    deletion_id = new_id()
    delete(scene, queue(scene, deletion_id=deletion_id))
    job_id = scene.queue(RESTORE_SAMPLES, RestoreSamples(scene.dataset_id, deletion_id=deletion_id))
    job = scene.run(job_id, RestoreSamplesWork(scene.sessions))
    assert job.result is not None and job.result["samples"] == 5
    assert set(present(scene)) == {sample.id for sample in made}


# Killed

_KILLED = """
import os, signal, sys
from uuid import UUID
from redis import Redis
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import open_store
from fourpoint_core.store.session import connect
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.tasks import delete_samples

database, redis, storage, job_id, when = sys.argv[1:]
settings = CoreSettings(database, redis, storage)
sessions = connect(settings)
delete_samples.SLICE = 2
name = {"behind the commit": "remove_condemned", "before the commit": "_count"}[when]
real, calls = getattr(delete_samples, name), []

def dies_the_second_time(*args, **options):
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)

setattr(delete_samples, name, dies_the_second_time)
keeper = LeaseKeeper(sessions, 1.0, stage_seconds=60)
work = delete_samples.DeleteSamplesWork(sessions, open_store(settings))
Runner(sessions, Redis.from_url(redis), keeper, 1.0, "dying").run(work, UUID(job_id))
"""


def run_and_kill(settings: CoreSettings, job_id: UUID, when: str) -> None:
    arguments = [settings.database_url, settings.redis_url, settings.storage_url, str(job_id), when]
    done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL


def expire(scene: Scene, job_id: UUID) -> None:
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_expires_at=func.clock_timestamp()))


@pytest.mark.parametrize("when", ["before the commit", "behind the commit"])
def test_a_deletion_whose_process_is_killed_is_finished_by_another(
    scene: Scene, core_settings: CoreSettings, sweep: Sweep, when: str
) -> None:
    made = make_samples(scene)
    job_id = queue(scene, delete_source=True)
    run_and_kill(core_settings, job_id, when)
    expire(scene, job_id)
    job = delete(scene, job_id)
    assert job.result is not None and (job.result["samples"], job.result["objects_removed"]) == (5, 5)
    assert scene.outcomes(job_id) == ["lease_expired", "succeeded"]
    with unit_of_work(scene.sessions) as session:
        session.execute(update(UploadIntent).values(created_at=func.clock_timestamp() - timedelta(hours=2)))
    sweep.remove_abandoned_objects()
    assert not any(scene.store.exists(sample.object_key) for sample in made)


# The sweep


def age_trash(scene: Scene, **span: float) -> None:
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Sample).values(trashed_at=func.clock_timestamp() - timedelta(**span)))


def test_what_has_lain_in_the_trash_for_long_goes_and_its_object_stays(scene: Scene, sweep: Sweep) -> None:
    made = make_samples(scene)
    delete(scene, queue(scene))
    age_trash(scene, days=8)
    sweep.run()
    assert rows(scene) == 0
    assert all(scene.store.exists(sample.object_key) for sample in made)
    with unit_of_work(scene.sessions) as session:
        left = set(session.scalars(select(ForgottenObject.object_key)))
    assert left == {sample.object_key for sample in made}


def test_what_may_still_be_restored_stays_in_the_trash(scene: Scene, sweep: Sweep) -> None:
    make_samples(scene)
    delete(scene, queue(scene))
    age_trash(scene, days=6)
    sweep.run()
    assert rows(scene) == 5


def open_upload(scene: Scene, seconds: float) -> UUID:
    with unit_of_work(scene.sessions) as session:
        files = [{"name": "a.png", "size_bytes": 5, "content_type": "image/png"}]
        author = session.scalars(select(Sample.created_by)).first()
        assert author is not None
        upload = uploads.open_slots(session, new_id(), scene.dataset_id, author, files, seconds)
    scene.store.put(staged_key(upload.id, 0), b"bytes", content_type="image/png")
    return upload.id


@pytest.mark.parametrize(("seconds", "left"), [(-3600, False), (-60, True), (3600, True)])
def test_what_was_never_registered_goes_once_nobody_can_write(
    scene: Scene, sweep: Sweep, seconds: float, left: bool
) -> None:
    scene.sample()
    upload_id = open_upload(scene, seconds)
    sweep.run()
    assert scene.store.exists(staged_key(upload_id, 0)) is left
    with unit_of_work(scene.sessions) as session:
        assert (session.get(DirectUpload, upload_id) is not None) is left


@pytest.mark.parametrize(("hours", "left"), [(25, 0), (23, 1)])
def test_answers_are_forgotten_in_time(scene: Scene, sweep: Sweep, hours: int, left: int) -> None:
    author = scene.sample().created_by
    with unit_of_work(scene.sessions) as session:
        idempotency.take(session, Attempt(author, "key", new_id()), "print", timedelta(seconds=1))
        session.execute(
            update(IdempotencyKey).values(created_at=func.clock_timestamp() - timedelta(hours=hours))
        )
    sweep.run()
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == left
