"""The worker processes as they are deployed: started, killed and watched from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from tests.integration.worker.scenes import Scene

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import IO_QUEUES, PURGE_DATASET, PurgeDataset
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.settings import CoreSettings
from fourpoint_core.store.queries import datasets, jobs, workers
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.lease_keeper import OVERRUN_EXIT_STATUS

HANGING = """
import time
from fourpoint_worker import inference_app
from tests.integration.worker.scenes import SquareEngine
inference_app.build_engine = lambda name, surroundings: SquareEngine(lambda checkpoint: time.sleep(600))
inference_app.main()
"""
BROKEN = """
from fourpoint_worker import inference_app
def build_engine(name, surroundings):
    raise RuntimeError("no weights")
inference_app.build_engine = build_engine
inference_app.main()
"""
# Work that has begun and does not go on before there is a file GO_ON.
HELD = """
import os, time
from pathlib import Path
from fourpoint_worker import inference_app
from tests.integration.worker.scenes import SquareEngine
def wait(checkpoint):
    while not Path(os.environ["GO_ON"]).exists():
        time.sleep(0.02)
inference_app.build_engine = lambda name, surroundings: SquareEngine(wait)
inference_app.main()
"""
HELD_IO = """
import os, time
from pathlib import Path
from fourpoint_worker import io_app
from fourpoint_worker.tasks import purge_dataset
purge = purge_dataset.PurgeDatasetWork.do
def held(self, payload, job):
    while not Path(os.environ["GO_ON"]).exists():
        time.sleep(0.02)
    return purge(self, payload, job)
purge_dataset.PurgeDatasetWork.do = held
io_app.main()
"""
INFERENCE = "from fourpoint_worker import inference_app; inference_app.main()"
IO = "from fourpoint_worker import io_app; io_app.main()"


def eventually(fact: Callable[[], bool], seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def variables(core_settings: CoreSettings, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "FOURPOINT_DATABASE_URL": core_settings.database_url,
        "FOURPOINT_REDIS_URL": core_settings.redis_url,
        "FOURPOINT_STORAGE_URL": core_settings.storage_url,
        "FOURPOINT_SWEEP_SECONDS": "0.2",
        # Whoever is slow is not taken for dead.
        "FOURPOINT_LEASE_SECONDS": "60",
        "GO_ON": str(tmp_path / "go-on"),
    }


@pytest.fixture
def broker(core_settings: CoreSettings) -> Celery:
    return celery_app(core_settings, "tests")


@contextmanager
def process(program: str, variables: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-c", program], env=variables, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def publish(scene: Scene, broker: Celery, *job_ids: object) -> None:
    with unit_of_work(scene.sessions) as session:
        messages = [
            jobs.Message.about(job)
            for job in (jobs.get_job(session, job_id) for job_id in job_ids)  # type: ignore[arg-type]
        ]
    assert Dispatcher(broker, scene.sessions).dispatch(messages) == len(job_ids)


def stop_in_the_middle(running: subprocess.Popen[bytes], variables: dict[str, str]) -> None:
    """Tell a process to stop, and let its held work go on when it has heard."""
    running.send_signal(signal.SIGTERM)
    time.sleep(1)
    Path(variables["GO_ON"]).touch()


def queues_consumed(scene: Scene) -> set[str]:
    with unit_of_work(scene.sessions) as session:
        return {
            queue for worker in workers.workers_seen(session, timedelta(seconds=10)) for queue in worker.queues
        }


def test_a_worker_says_that_it_is_there_once_it_consumes_and_goodbye_when_it_stops(
    scene: Scene, variables: dict[str, str], tmp_path: Path
) -> None:
    with process(INFERENCE, variables, tmp_path / "log") as running:
        assert eventually(lambda: queues_consumed(scene) == {"click", "prefetch", "batch"})
        running.send_signal(signal.SIGTERM)
        assert running.wait(120) == 0
    assert queues_consumed(scene) == set()
    written = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert "worker: Warm shutdown (MainProcess)" in [line["message"] for line in written]


def test_a_worker_whose_engine_does_not_start_does_not_consume(
    scene: Scene, variables: dict[str, str], tmp_path: Path
) -> None:
    with process(BROKEN, variables, tmp_path / "log") as running:
        assert running.wait(120) != 0
    assert queues_consumed(scene) == set()
    assert "no weights" in (tmp_path / "log").read_text()


def test_an_unknown_engine_stops_the_start_and_the_known_ones_are_named(
    variables: dict[str, str], tmp_path: Path
) -> None:
    with process(INFERENCE, {**variables, "FOURPOINT_ENGINE": "crystal-ball"}, tmp_path / "log") as running:
        assert running.wait(120) != 0
    assert "crystal-ball" in (tmp_path / "log").read_text()
    assert "weight-free" in (tmp_path / "log").read_text()


def test_a_missing_variable_stops_the_start_by_name(variables: dict[str, str], tmp_path: Path) -> None:
    del variables["FOURPOINT_REDIS_URL"]
    with process(IO, variables, tmp_path / "log") as running:
        assert running.wait(120) != 0
    assert "FOURPOINT_REDIS_URL" in (tmp_path / "log").read_text()


def test_an_engine_that_hangs_costs_the_process_and_not_the_job(
    scene: Scene, variables: dict[str, str], broker: Celery, tmp_path: Path
) -> None:
    job_id = scene.queue_click(scene.sample())
    with process(HANGING, {**variables, "FOURPOINT_STAGE_SECONDS": "1"}, tmp_path / "log") as running:
        publish(scene, broker, job_id)
        assert running.wait(120) == OVERRUN_EXIT_STATUS
    with process(IO, variables, tmp_path / "io-log"):
        assert eventually(lambda: scene.job(job_id).state == JobState.QUEUED)
    assert scene.outcomes(job_id) == ["overrun"]


def test_a_worker_told_to_stop_finishes_what_it_has_in_hand(
    scene: Scene, variables: dict[str, str], broker: Celery, tmp_path: Path
) -> None:
    job_id = scene.queue_click(scene.sample())
    with process(HELD, variables, tmp_path / "log") as running:
        publish(scene, broker, job_id)
        assert eventually(lambda: scene.job(job_id).state == JobState.RUNNING)
        stop_in_the_middle(running, variables)
        assert running.wait(120) == 0
    assert scene.job(job_id).state == JobState.SUCCEEDED


def test_an_io_worker_told_to_stop_finishes_what_it_has_in_hand(
    scene: Scene, variables: dict[str, str], broker: Celery, tmp_path: Path
) -> None:
    with unit_of_work(scene.sessions) as session:
        datasets.mark_deleted(session, datasets.get_dataset(session, scene.dataset_id))
    job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=True))
    with process(HELD_IO, variables, tmp_path / "log") as running:
        publish(scene, broker, job_id)
        assert eventually(lambda: scene.job(job_id).state == JobState.RUNNING)
        stop_in_the_middle(running, variables)
        assert running.wait(120) == 0
    assert scene.job(job_id).state == JobState.SUCCEEDED
    assert scene.outcomes(job_id) == ["succeeded"]


def test_a_message_that_names_no_job_does_not_disturb_the_next_one(
    scene: Scene, variables: dict[str, str], broker: Celery, tmp_path: Path
) -> None:
    with unit_of_work(scene.sessions) as session:
        datasets.mark_deleted(session, datasets.get_dataset(session, scene.dataset_id))
    with process(IO, variables, tmp_path / "log"):
        for nonsense in ("no id", "", "0" * 5000):
            broker.send_task(PURGE_DATASET.task_name, args=[nonsense], queue=IO_QUEUES[0].value)
        job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=True))
        publish(scene, broker, job_id)
        assert eventually(lambda: scene.job(job_id).state == JobState.SUCCEEDED)


def test_a_killed_child_of_the_io_process_is_replaced_and_its_job_done(
    scene: Scene, variables: dict[str, str], broker: Celery, tmp_path: Path
) -> None:
    with process(IO, {**variables, "FOURPOINT_LEASE_SECONDS": "1"}, tmp_path / "log") as running:
        assert eventually(lambda: queues_consumed(scene) == {"io"})
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        with unit_of_work(scene.sessions) as session:
            datasets.mark_deleted(session, datasets.get_dataset(session, scene.dataset_id))
        job_id = scene.queue(PURGE_DATASET, PurgeDataset(scene.dataset_id, delete_objects=True))
        publish(scene, broker, job_id)
        assert eventually(lambda: scene.job(job_id).state == JobState.SUCCEEDED)
