"""A whole system with this engine, in processes of its own: what happens when one is killed, or hangs."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis import Redis
from sqlalchemy import create_engine, select, update
from sqlalchemy.pool import NullPool
from tests.http_client import JSON, Client
from tests.sam.scenes import BRIGHT, OBJECT, as_png, clicks_on, scene

from fourpoint_core.domain.prompts import prompt_to_json
from fourpoint_core.store.models import Job, JobAttempt
from fourpoint_core.store.session import sessions_for, unit_of_work
from fourpoint_standalone import processes, stack, supervisor
from fourpoint_standalone.stack import INFERENCE, Stack, StackOptions, remove_data

# The first one waits until the system has started.
pytestmark = pytest.mark.timeout(900)
ROOT = Path(__file__).resolve().parents[2]
POINTS = prompt_to_json(clicks_on(OBJECT))["points"]
STAGE_SECONDS = 10.0
FINAL = {"succeeded", "failed", "cancelled"}


@dataclass
class System:
    """A running system, its encoder watched; images differ in how bright their brightest pixel is."""

    stack: Stack
    watched: Path
    metrics_url: str
    client: Client = field(init=False)
    dataset_id: str = field(init=False)
    _brightest: Iterator[int] = field(default_factory=lambda: iter(range(BRIGHT + 1, 256)))

    def __post_init__(self) -> None:
        self.client = Client(self.stack.base_url, self.stack.admin_token)
        self.dataset_id = self.client.create_dataset(f"sam {uuid4()}")["id"]
        self._sessions = sessions_for(create_engine(self.stack.database_url, poolclass=NullPool))

    def new_image(self) -> tuple[str, int]:
        """A sample that nobody has looked at, and its brightest value."""
        image, value = scene(), next(self._brightest)
        image[0, 0] = value
        [sample] = self.client.upload(self.dataset_id, (f"{value}.png", as_png(image)))
        return sample["id"], value

    def click(self, sample_id: str) -> JSON:
        """Click, and wait for the outline."""
        answer = self.client.click(sample_id, wait=90, points=POINTS)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def click_and_leave(self, sample_id: str) -> str:
        """Click, and do not wait: the job's id."""
        answer = self.client.click(sample_id, points=POINTS, save="document", label="bright")
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def calls(self) -> list[tuple[int, int]]:
        """Process and brightest value of each image that was encoded, or is being."""
        file = self.watched / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(int(pid), int(value)) for pid, value in map(str.split, lines)]

    def processes_that_encoded(self, value: int) -> list[int]:
        """By the brightest value of the image."""
        return [pid for pid, found in self.calls() if found == value]

    def hold(self) -> None:
        """Let no call of an encoder go on."""
        (self.watched / "held").touch()

    def let_go(self) -> None:
        """Let them."""
        (self.watched / "held").unlink(missing_ok=True)

    def ended(self, job_id: str) -> JSON:
        """The job, when it has ended."""
        self.wait_for(lambda: self.client.get(f"/v1/jobs/{job_id}")["state"] in FINAL)
        return self.client.get(f"/v1/jobs/{job_id}")

    def job(self, job_id: str) -> Job:
        """Its row."""
        with unit_of_work(self._sessions) as session:
            return session.get_one(Job, UUID(job_id))

    def attempts(self, job_id: str) -> list[JobAttempt]:
        """Its tries, in order."""
        ours = select(JobAttempt).where(JobAttempt.job_id == UUID(job_id)).order_by(JobAttempt.lease_number)
        with unit_of_work(self._sessions) as session:
            return list(session.scalars(ours))

    def allow_tries(self, job_id: str, count: int) -> None:
        """So that a test need not wait for as many as people get."""
        with unit_of_work(self._sessions) as session:
            session.execute(update(Job).where(Job.id == UUID(job_id)).values(max_attempts=count))

    def metric(self, name: str) -> float:
        """A number that the inference process publishes; 0 where it has none."""
        text = httpx.get(self.metrics_url, timeout=60).text
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)), 0.0)

    def wait_for(self, fact: Callable[[], Any], seconds: float = 300) -> None:
        """Wait until the fact is true. Raises AssertionError when it does not come true."""
        end = time.monotonic() + seconds
        while not fact():
            assert time.monotonic() < end, f"not true within {seconds} s"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def running(seeing_checkpoint: Path) -> Iterator[System]:
    """One system for this file. It has three worker processes to start, one of them with PyTorch."""
    directory = Path(tempfile.mkdtemp(prefix="fourpoint-sam-"))
    directory.chmod(0o711)
    watched = directory / "watched"
    watched.mkdir()
    port = processes.free_port("127.0.0.1")
    environment = {
        "PYTHONPATH": str(ROOT),
        "WATCHED": str(watched),
        "FOURPOINT_SAM_CHECKPOINT": str(seeing_checkpoint),
        "FOURPOINT_SAM_DEVICE": "cpu",
        "FOURPOINT_SWEEP_SECONDS": "0.5",
        "FOURPOINT_REDISPATCH_SECONDS": "2",
        "FOURPOINT_STAGE_SECONDS": str(STAGE_SECONDS),
        "FOURPOINT_MAX_WAIT_SECONDS": "90",
        "FOURPOINT_METRICS_BIND": f"127.0.0.1:{port}",
    }
    options = StackOptions(
        directory / "data",
        api_port=0,
        api_workers=1,
        io_processes=1,
        inference_threads=4,
        engine="sam",
        environment=environment,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(stack._PROGRAMS, INFERENCE, ["tests.sam.watched_worker"])
        patch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.1)
        with Stack(options) as whole:
            yield System(whole, watched, f"http://127.0.0.1:{port}/metrics")
    remove_data(directory / "data")
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def system(running: System) -> Iterator[System]:
    """With an encoder that is not held, before and after."""
    running.let_go()
    yield running
    running.let_go()


def is_the_object(answer: JSON) -> bool:
    return answer["bbox"] == pytest.approx(OBJECT.as_list(), abs=0.6)


def test_a_worker_killed_while_it_encodes_loses_no_job_and_its_replacement_encodes_nothing_twice(
    system: System,
) -> None:
    (known, known_value), (fresh, fresh_value) = system.new_image(), system.new_image()
    before = system.click(known)
    assert is_the_object(before) and before["engine"] == "sam"
    killed = system.stack.pids[INFERENCE]
    with Redis.from_url(system.stack.redis_url) as redis:
        system.wait_for(lambda: redis.keys("fourpoint:embeddings:entry:*"))
    system.hold()
    job_id = system.click_and_leave(fresh)
    system.wait_for(lambda: system.processes_that_encoded(fresh_value))
    os.kill(killed, signal.SIGKILL)
    system.let_go()
    assert system.ended(job_id)["state"] == "succeeded"
    replacement = system.stack.pids[INFERENCE]
    workers = [attempt.worker for attempt in system.attempts(job_id)]
    assert [name.split("/")[1] for name in workers] == [str(killed), str(replacement)]
    assert len(system.client.annotations(fresh)) == 1
    assert system.processes_that_encoded(fresh_value) == [killed, replacement]
    after = system.click(known)
    assert after["contour"] == before["contour"]
    assert system.processes_that_encoded(known_value) == [killed]
    assert system.metric('fourpoint_embeddings_total{source="shared"}') == 1


def test_an_encoder_that_hangs_costs_its_process_and_then_the_job_with_the_reason(system: System) -> None:
    sample_id, value = system.new_image()
    system.hold()
    job_id = system.click_and_leave(sample_id)
    system.wait_for(lambda: system.processes_that_encoded(value))
    system.allow_tries(job_id, 2)
    job = system.ended(job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "attempts_exhausted")
    assert job["error"]["detail"].endswith("The last attempt: The stage 'embedding' hung.")
    tries = system.attempts(job_id)
    assert [attempt.outcome for attempt in tries] == ["overrun", "overrun"]
    assert len(set(system.processes_that_encoded(value))) == 2
    assert not system.client.annotations(sample_id)
    system.let_go()
    assert is_the_object(system.click(sample_id))


def test_a_prefetch_of_an_image_that_was_left_goes_no_further(system: System) -> None:
    images = [system.new_image() for _ in range(4)]
    values = [value for _, value in images]
    (opened, _), *_, (other, _) = images
    put = system.client.http.put
    system.hold()
    first = put(f"/v1/samples/{opened}/embedding", params={"ahead": 2}).json()["id"]
    system.wait_for(lambda: system.processes_that_encoded(values[0]))
    second = put(f"/v1/samples/{other}/embedding", params={"ahead": 0}).json()["id"]
    # When its lease is renewed a second time it has heard, the first time, that it is cancelled.
    for _ in range(2):
        expires = system.job(first).lease_expires_at
        system.wait_for(lambda expires=expires: system.job(first).lease_expires_at != expires)
    system.let_go()
    assert system.ended(first)["state"] == "cancelled"
    assert system.ended(second)["state"] == "succeeded"
    assert [value for _, value in system.calls() if value in values] == [values[0], values[3]]


def test_a_broker_without_memory_left_delays_a_click_and_loses_none(system: System) -> None:
    """Embeddings have a bound of their own; should something else fill Redis, jobs wait in their rows."""
    sample_id, _ = system.new_image()
    with Redis.from_url(system.stack.redis_url) as redis:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 1)
        try:
            job_id = system.click_and_leave(sample_id)
            assert system.job(job_id).state in {"queued", "running", "succeeded"}
        finally:
            redis.config_set("maxmemory", 0)
    assert system.ended(job_id)["state"] == "succeeded"
    assert len(system.client.annotations(sample_id)) == 1
