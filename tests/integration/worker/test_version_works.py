"""Publishing and switching under kills, races and people who go on labeling."""

import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from tests.integration.worker.scenes import Scene
from tests.integration.worker.version_jobs import (
    Document,
    make_label,
    publish,
    queue_publication,
    queue_switch,
    save,
    switch,
    working_state,
)

from fourpoint_core.domain.filters import SampleFilter, Sort
from fourpoint_core.errors import NameTakenError, VersionsBusyError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import PURGE_DATASET, PurgeDataset
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.settings import CoreSettings
from fourpoint_core.store.models import (
    Annotation,
    Job,
    Revision,
    Sample,
    Version,
    VersionHead,
    VersionLabel,
    VersionSample,
    VersionTally,
)
from fourpoint_core.store.queries import (
    datasets,
    jobs,
    labels,
    sample_filters,
    trash,
    version_switching,
    versions,
)
from fourpoint_core.store.session import connect, unit_of_work
from fourpoint_worker.sweep import Sweep
from fourpoint_worker.tasks import switch_version
from fourpoint_worker.tasks.publish_version import PublishVersionWork
from fourpoint_worker.tasks.purge_dataset import PurgeDatasetWork
from fourpoint_worker.tasks.switch_version import SwitchVersionWork

KILLS = 5
WRITERS = 16


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch_version, "SLICE", 3)


def contents(scene: Scene, version_id: UUID) -> dict[UUID, Document]:
    """What the images of a version say."""
    with unit_of_work(scene.sessions) as session:
        wanted = SampleFilter(version=version_id)
        page = sample_filters.list_samples(session, scene.dataset_id, wanted, Sort(), None, 1000)
        found: dict[UUID, Document] = {}
        for listed in page.rows:
            number, sample_id = listed.revision, UUID(listed.id)
            rows = session.scalars(
                select(Annotation).where(
                    Annotation.sample_id == sample_id,
                    Annotation.valid_from <= number,
                    func.coalesce(Annotation.valid_to, number + 1) > number,
                )
            )
            found[sample_id] = {row.annotation_id: (row.label_id, row.difficult) for row in rows}
            assert len(found[sample_id]) == listed.annotation_count
        return found


def fill(scene: Scene, count: int) -> list[UUID]:
    """Images, each with one object."""
    cat = make_label(scene, "cat")
    ids = [scene.sample(name=f"{number}.png").id for number in range(count)]
    for sample_id in ids:
        save(scene, sample_id, {new_id(): (cat, False)})
    return ids


# Publishing


def test_a_published_version_is_current_and_leaves_nothing_to_publish(scene: Scene) -> None:
    fill(scene, 2)
    version = publish(scene)
    assert (version.name, version.number, version.samples, version.labeled) == ("V001", 1, 2, 2)
    with unit_of_work(scene.sessions) as session:
        standing = versions.standing(session, scene.dataset_id)
    assert standing.current is not None and standing.current.id == version.id
    assert not standing.has_changes


def test_a_version_that_differs_in_one_image_writes_one_row(scene: Scene) -> None:
    first, *_ = fill(scene, 5)
    publish(scene)
    save(scene, first, {})
    publish(scene)
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(VersionSample)) == 6


def test_while_one_publishes_the_next_is_told_so(scene: Scene) -> None:
    fill(scene, 1)
    job_id, _ = queue_publication(scene)
    with pytest.raises(VersionsBusyError, match=str(job_id)):
        queue_publication(scene)


def test_of_two_who_publish_at_once_one_does(scene: Scene) -> None:
    fill(scene, 1)
    outcomes: list[str] = []
    begin = threading.Barrier(2)

    def one() -> None:
        begin.wait()
        try:
            queue_publication(scene, "V001")
            outcomes.append("queued")
        except (VersionsBusyError, NameTakenError) as error:
            outcomes.append(error.code)

    people = [threading.Thread(target=one) for _ in range(2)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(outcomes) == ["queued", "versions_busy"]


def test_a_publication_that_failed_is_in_nobodys_way(scene: Scene) -> None:
    fill(scene, 1)
    job_id, failed = queue_publication(scene, "first")
    with unit_of_work(scene.sessions) as session:
        jobs.request_cancel(session, job_id)
    made = publish(scene, "first")
    with unit_of_work(scene.sessions) as session:
        assert versions.get_version(session, scene.dataset_id, failed).state == "failed"
        assert versions.get_version(session, scene.dataset_id, made.id).state == "published"


def test_a_failed_publication_that_is_tried_again_too_late_says_so(scene: Scene) -> None:
    fill(scene, 1)
    job_id, _ = queue_publication(scene, "first")
    with unit_of_work(scene.sessions) as session:
        jobs.request_cancel(session, job_id)
    publish(scene)
    with unit_of_work(scene.sessions) as session:
        jobs.retry(session, job_id, PublishVersionWork.kind)
    job = scene.run(job_id, PublishVersionWork(scene.sessions))
    assert job.error is not None and job.error["code"] == "versions_busy"


def test_a_message_that_comes_twice_publishes_once(scene: Scene) -> None:
    fill(scene, 2)
    job_id, version_id = queue_publication(scene)
    for _ in range(2):
        scene.run(job_id, PublishVersionWork(scene.sessions))
    assert len(contents(scene, version_id)) == 2


def test_a_version_is_of_one_moment_while_sixteen_people_save(
    scene: Scene, core_settings: CoreSettings
) -> None:
    """Each gives one image after the other one more object: in no moment is a later one ahead."""
    scene.sessions = connect(replace(core_settings, database_pool_size=WRITERS))
    cat = make_label(scene, "cat")
    images = [[scene.sample(name=f"{p}-{n}.png").id for n in range(3)] for p in range(WRITERS)]
    stop = threading.Event()

    def label(mine: list[UUID]) -> None:
        steps = 0
        while not stop.is_set():
            sample_id = mine[steps % len(mine)]
            save(scene, sample_id, {new_id(): (cat, False) for _ in range(steps // len(mine) + 1)})
            steps += 1

    people = [threading.Thread(target=label, args=(mine,)) for mine in images]
    for person in people:
        person.start()
    made = []
    try:
        for _ in range(3):
            time.sleep(0.3)
            made.append(publish(scene))
    finally:
        stop.set()
        for person in people:
            person.join()
        scene.sessions.kw["bind"].dispose()
    for version in made:
        said = contents(scene, version.id)
        for mine in images:
            counts = [len(said[sample_id]) for sample_id in mine]
            assert counts == sorted(counts, reverse=True) and counts[0] - counts[-1] <= 1
        assert version.annotations == sum(len(document) for document in said.values())


# Killed


_KILLED = """
import os, signal, sys, threading, time
from uuid import UUID
from redis import Redis
from fourpoint_core.settings import CoreSettings
from fourpoint_core.store.session import connect
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.tasks import publish_version, switch_version

database, redis, job_id, kind, after = sys.argv[1:]
sessions = connect(CoreSettings(database, redis, "file:///nowhere"))
switch_version.SLICE = 3
work = {
    "publish": publish_version.PublishVersionWork,
    "switch": switch_version.SwitchVersionWork,
}[kind](sessions)
keeper = LeaseKeeper(sessions, 1.0, stage_seconds=60)
runner = Runner(sessions, Redis.from_url(redis), keeper, 1.0, "dying")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

# A statement after which the process dies, whichever it is: a moment between any two of them.
from sqlalchemy import event
left = [int(after)]
def count(*_):
    left[0] -= 1
    if left[0] <= 0:
        die()
event.listen(sessions.kw["bind"], "after_cursor_execute", count)
runner.run(work, UUID(job_id))
"""


def run_and_kill(settings: CoreSettings, job_id: UUID, kind: str, after: int) -> bool:
    """Whether the process died: after so many statements, unless it had fewer."""
    arguments = [settings.database_url, settings.redis_url, str(job_id), kind, str(after)]
    done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
    assert done.returncode in {0, -signal.SIGKILL}
    return done.returncode != 0


def expire(scene: Scene, job_id: UUID) -> None:
    with unit_of_work(scene.sessions) as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_expires_at=func.clock_timestamp()))


def test_a_publication_that_is_killed_at_any_moment_is_finished_by_another(
    scene: Scene, core_settings: CoreSettings
) -> None:
    fill(scene, 4)
    expected, _ = working_state(scene)
    chance = random.Random(5)
    for moment in chance.sample(range(1, 25), KILLS):
        job_id, version_id = queue_publication(scene)
        if run_and_kill(core_settings, job_id, "publish", moment):
            expire(scene, job_id)
            scene.run(job_id, PublishVersionWork(scene.sessions))
        assert scene.job(job_id).state == "succeeded"
        assert contents(scene, version_id) == expected


def test_a_switch_that_is_killed_at_any_moment_is_finished_by_another(
    scene: Scene, core_settings: CoreSettings
) -> None:
    ids = fill(scene, 7)
    first = publish(scene)
    then = working_state(scene)
    dog = make_label(scene, "dog")
    chance = random.Random(6)
    for moment in chance.sample(range(5, 60), KILLS):
        for sample_id in ids[:5]:
            save(scene, sample_id, {new_id(): (dog, True)})
        scene.sample(name=f"late {moment}.png")
        dog = make_label(scene, "dog")
        before = working_state(scene)
        job_id = queue_switch(scene, first.id)
        if run_and_kill(core_settings, job_id, "switch", moment):
            expire(scene, job_id)
            scene.run(job_id, SwitchVersionWork(scene.sessions))
        job = scene.job(job_id)
        assert job.state == "succeeded" and job.result is not None
        assert working_state(scene) == then
        switch(scene, UUID(job.result["published_version_id"]))
        assert working_state(scene) == before


# Switching


def test_a_switch_is_a_revision_of_each_image_that_changes(scene: Scene) -> None:
    first, second = fill(scene, 2)
    version = publish(scene)
    save(scene, first, {})
    job = switch(scene, version.id)
    assert job.result is not None and job.result["samples_restored"] == 1
    with unit_of_work(scene.sessions) as session:
        actions = session.scalars(
            select(Revision.action).where(Revision.sample_id == first).order_by(Revision.number)
        ).all()
        assert actions == ["replace", "replace", "set_version"]
        assert session.get_one(Sample, second).revision == 1


def test_a_switch_without_differences_publishes_nothing(scene: Scene) -> None:
    first, _ = fill(scene, 2)
    old = publish(scene)
    save(scene, first, {})
    new = publish(scene)
    job = switch(scene, old.id)
    assert job.result is not None and job.result["published_version_id"] is None
    job = switch(scene, new.id)
    assert job.result is not None and job.result["published_version_id"] is None
    assert contents(scene, new.id) == working_state(scene)[0]


def test_what_somebody_saves_during_a_switch_stays(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = fill(scene, 7)
    version = publish(scene)
    dog = make_label(scene, "dog")
    for sample_id in ids:
        save(scene, sample_id, {new_id(): (dog, False)})
    late = {new_id(): (dog, True)}
    real = version_switching.change

    def somebody_saves(*args: object) -> object:
        if late:
            with unit_of_work(scene.sessions) as session:
                labels.change_label(
                    session,
                    session.get_one(labels.Label, dog),
                    name="dog",
                    colour="#000000",
                    shortcut=None,
                    bring_back=True,
                )
            save(scene, ids[-1], dict(late))
            monkeypatch.setattr(version_switching, "change", real)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(version_switching, "change", somebody_saves)
    job = switch(scene, version.id)
    assert job.result is not None and job.result["samples_kept"] == 1
    documents, names = working_state(scene)
    assert documents[ids[-1]] == late
    assert dog in names
    assert {key: value for key, value in documents.items() if key != ids[-1]} == {
        key: value for key, value in contents(scene, version.id).items() if key != ids[-1]
    }
    with unit_of_work(scene.sessions) as session:
        assert versions.standing(session, scene.dataset_id).has_changes


def test_images_that_a_version_does_not_have_are_set_aside_and_come_back(scene: Scene, sweep: Sweep) -> None:
    fill(scene, 1)
    old = publish(scene)
    late = scene.sample(name="late.png")
    new = publish(scene)
    switch(scene, old.id)
    with unit_of_work(scene.sessions) as session:
        session.execute(
            update(Sample)
            .where(Sample.id == late.id)
            .values(trashed_at=func.now() - func.make_interval(0, 0, 0, 100))
        )
        assert trash.list_trash(session, scene.dataset_id, None, 10).rows == []
    sweep.run()
    switch(scene, new.id)
    assert late.id in working_state(scene)[0]


@pytest.fixture
def sweep(core_settings: CoreSettings, scene: Scene) -> Sweep:
    dispatcher = Dispatcher(celery_app(core_settings, "tests"), scene.sessions)
    return Sweep(core_settings, scene.sessions, scene.redis, scene.store, dispatcher)


# What is deleted


def test_what_a_deleted_version_held_goes_when_it_can_no_longer_be_restored(scene: Scene, sweep: Sweep) -> None:
    first, second = fill(scene, 2)
    old = publish(scene)
    with unit_of_work(scene.sessions) as session:
        ids = select(Sample.id).where(Sample.id == first)
        assert trash.purge(session, ids, 1, condemned_by=new_id()).pinned == 1
    publish(scene)
    with unit_of_work(scene.sessions) as session:
        known = versions.get_version(session, scene.dataset_id, old.id)
        versions.mark_deleted(session, known, known.row.created_by)
    sweep.run()
    assert first in contents(scene, old.id)
    with unit_of_work(scene.sessions) as session:
        session.execute(
            update(Version)
            .where(Version.id == old.id)
            .values(deleted_at=func.now() - func.make_interval(0, 0, 0, 100))
        )
    for _ in range(3):
        sweep.run()
    with unit_of_work(scene.sessions) as session:
        assert set(session.scalars(select(Sample.id))) == {second}
        assert session.scalar(select(Version.id).where(Version.id == old.id)) is None
        assert session.scalar(select(VersionSample.sample_id).where(VersionSample.sample_id == first)) is None


def test_images_set_aside_for_a_version_that_is_forgotten_go_into_the_trash(scene: Scene, sweep: Sweep) -> None:
    fill(scene, 1)
    old = publish(scene)
    late = scene.sample(name="late.png")
    new = publish(scene)
    switch(scene, old.id)
    with unit_of_work(scene.sessions) as session:
        known = versions.get_version(session, scene.dataset_id, new.id)
        versions.mark_deleted(session, known, known.row.created_by)
        session.execute(
            update(Version)
            .where(Version.id == new.id)
            .values(deleted_at=func.now() - func.make_interval(0, 0, 0, 100))
        )
    sweep.run()
    with unit_of_work(scene.sessions) as session:
        assert [row.id for row in trash.list_trash(session, scene.dataset_id, None, 10).rows] == [late.id]


def test_a_dataset_goes_with_its_versions_and_with_what_they_kept(scene: Scene) -> None:
    first, _ = fill(scene, 2)
    publish(scene)
    with unit_of_work(scene.sessions) as session:
        trash.purge(session, select(Sample.id).where(Sample.id == first), 1, condemned_by=new_id())
        datasets.mark_deleted(session, datasets.get_dataset(session, scene.dataset_id, lock=True))
    job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=True))
    assert scene.run(job_id, PurgeDatasetWork(scene.sessions, scene.store)).state == "succeeded"
    with unit_of_work(scene.sessions) as session:
        for model in (Sample, Version, VersionSample, VersionLabel, VersionTally, VersionHead, Annotation):
            assert session.scalar(select(func.count()).select_from(model)) == 0


def test_an_image_cannot_be_deleted_for_good_between_being_seen_and_being_pinned(scene: Scene) -> None:
    (only,) = fill(scene, 1)
    _, version_id = queue_publication(scene)
    done = threading.Event()

    def delete() -> None:
        with unit_of_work(scene.sessions) as session:
            ids = select(Sample.id).where(Sample.id == only)
            assert trash.purge(session, ids, 1, condemned_by=new_id()).pinned == 1
        done.set()

    person = threading.Thread(target=delete)
    with unit_of_work(scene.sessions) as session:
        versions.write_contents(session, version_id)
        person.start()
        assert not done.wait(0.5)
    person.join()
    assert contents(scene, version_id).keys() == {only}
