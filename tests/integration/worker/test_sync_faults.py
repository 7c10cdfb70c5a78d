"""What a synchronisation survives: killed processes, failing stores. Each ends as if undisturbed."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import func, select
from tests.integration.worker.sync_scene import (
    SyncScene,
    decided,
    let_everything_happen,
    make_due,
    picture,
    undisturbed,
)

from fourpoint_core.errors import StorageDeniedError, StorageUnavailableError
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Sample
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.syncer import images, reading, sidecars, survey

SLICES = {survey: ("ITEMS", 3), images: ("SLICE", 3), sidecars: ("SLICE", 2)}
_WORKER = """
import os, signal, sys
from uuid import UUID
from redis import Redis
from sqlalchemy import event
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import open_store
from fourpoint_core.store.session import connect
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.syncer import context, images, sidecars, survey
from fourpoint_worker.tasks.sync_dataset import SyncDatasetWork

database, redis, storage, job_id, statements = sys.argv[1:]
settings = CoreSettings(database, redis, storage)
sessions = connect(settings)
survey.ITEMS = images.SLICE = 3
sidecars.SLICE = 2
left = [int(statements)]

def count(*_):
    left[0] -= 1
    if left[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(sessions.kw["bind"], "after_cursor_execute", count)
work = SyncDatasetWork(sessions, open_store(settings), context.Limits(2**20, 10**6, 4))
Runner(sessions, Redis.from_url(redis), LeaseKeeper(sessions, 30, 60), 30, "w").run(work, UUID(job_id))
"""
# Behind how many statements each of the workers dies: none of them gets through more than some slices.
DEATHS = (4, 9, 15, 22, 31)


@pytest.fixture
def scene(sessions: Sessions, object_store: ObjectStore, redis: Redis) -> Iterator[SyncScene]:
    made = SyncScene(sessions, object_store, redis)
    yield made
    made.check_counters()


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, (name, size) in SLICES.items():
        monkeypatch.setattr(module, name, size)
    monkeypatch.setattr(reading, "PAUSE_SECONDS", 0)


def test_killed_between_any_two_statements_it_ends_as_if_undisturbed(
    scene: SyncScene, core_settings: CoreSettings
) -> None:
    expected = undisturbed(scene)
    let_everything_happen(scene)
    job_id = scene.queue_sync()
    arguments = [core_settings.database_url, core_settings.redis_url, core_settings.storage_url, str(job_id)]
    for statements in DEATHS:
        done = subprocess.run([sys.executable, "-c", _WORKER, *arguments, str(statements)], check=False)
        assert done.returncode == -signal.SIGKILL
        make_due(scene, job_id)
    assert scene.run(job_id, scene.work()).state == "succeeded"
    assert decided(scene) == expected


class Faulty:
    """A store that does as the real one, but where it is told to fail.

    fails: what a call raises, by its name, its key and its number; many threads call at once, so a number
    says when something begins, and never which object it meets.
    """

    def __init__(self, store: ObjectStore, fails: Callable[[str, str, int], Exception | None]):
        self._store = store
        self._fails = fails
        self._numbers = count(1)

    def list(self, *arguments: Any) -> Iterator[Any]:
        for found in self._store.list(*arguments):
            self._raise("list", found.key)
            yield found

    @contextmanager
    def open_range(self, key: str, *arguments: Any) -> Iterator[Any]:
        self._raise("open_range", key)
        with self._store.open_range(key, *arguments) as chunks:
            yield chunks

    def _raise(self, name: str, key: str) -> None:
        error = self._fails(name, key, next(self._numbers))
        if error is not None:
            raise error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Away(Faulty):
    """A store that does not answer any more from its n-th call on."""

    def __init__(self, store: ObjectStore, at: int):
        super().__init__(store, lambda _, __, call: None if call < at else StorageUnavailableError("503"))

    def check(self) -> None:
        raise StorageUnavailableError("503")


class Cut(Faulty):
    """A store from which only a part arrives of what is read of an object for the first time."""

    def __init__(self, store: ObjectStore):
        super().__init__(store, lambda *_: None)
        self.cut: set[str] = set()

    @contextmanager
    def open_range(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Any]:
        is_first = key not in self.cut
        self.cut.add(key)
        with self._store.open_range(key, start, 10 if is_first else length) as chunks:
            yield chunks


@pytest.mark.parametrize("step", [3, 7])
def test_a_store_that_fails_again_and_again_costs_tries_and_nothing_else(scene: SyncScene, step: int) -> None:
    expected = undisturbed(scene)
    let_everything_happen(scene)
    real = scene.store
    job_id = scene.queue_sync()
    for number in range(1, 40, step):
        scene.store = Away(real, number)  # type: ignore[assignment]
        if scene.run(job_id, scene.work()).state == "succeeded":
            break
        make_due(scene, job_id)
    scene.store = real
    if scene.job(job_id).state != "succeeded":
        scene.run(job_id, scene.work())
    assert decided(scene) == expected


def test_a_body_that_is_cut_off_is_read_again(scene: SyncScene) -> None:
    expected = undisturbed(scene)
    let_everything_happen(scene)
    real = scene.store
    broken = Cut(real)
    scene.store = broken  # type: ignore[assignment]
    scene.run(scene.queue_sync(), scene.work())
    scene.store = real
    assert len(broken.cut) > 4
    assert decided(scene) == expected


def test_an_object_that_may_not_be_read_costs_only_itself(scene: SyncScene) -> None:
    scene.put("a.png", picture(1))
    scene.put("b.png", picture(2))
    real = scene.store

    def closed(name: str, key: str, _: int) -> Exception | None:
        return StorageDeniedError("no") if name == "open_range" and key.endswith("a.png") else None

    scene.store = Faulty(real, closed)  # type: ignore[assignment]
    assert scene.sync() == {"added": 1, "failed": 1}
    assert scene.report() == {"a.png": ("failed", "storage_denied"), "b.png": ("added", None)}
    scene.store = real
    assert scene.sync() == {"added": 1, "unchanged": 1}
    assert scene.states() == {"a.png": "here", "b.png": "here"}


def test_a_bucket_that_changes_while_it_is_listed_is_right_the_next_time(scene: SyncScene) -> None:
    for number in range(6):
        scene.put(f"{number}.png", picture(number))
    real = scene.store

    def change(name: str, key: str, _: int) -> None:
        if name == "list" and key.endswith("2.png"):
            scene.store = real
            scene.remove("0.png")
            scene.move("5.png", "00.png")
            scene.put("9.png", picture(9))

    scene.store = Faulty(real, change)  # type: ignore[arg-type, assignment]
    scene.run(scene.queue_sync(), scene.work())
    scene.store = real
    scene.sync()
    here = {name for name, state in scene.states().items() if state == "here"}
    assert here == {"00.png", "1.png", "2.png", "3.png", "4.png", "9.png"}
    with unit_of_work(scene.sessions) as session:
        assert session.scalar(select(func.count()).select_from(Sample)) == len(scene.states())
