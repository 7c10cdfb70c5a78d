"""Kill any part at any moment, twenty times each: every accepted job ends truthfully, nothing doubles.

What is random is printed with its seed; FAULT_SEED repeats a run's choices, if not its timing.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import select
from tests.faults.load import Load, Reckoning

from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import INFER_CONTOUR
from fourpoint_core.settings import CoreSettings
from fourpoint_core.store.models import Job
from fourpoint_core.store.session import unit_of_work
from fourpoint_standalone.stack import API, INFERENCE, REDIS, Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("FAULT_KILLS", "20"))
SEED = int(os.environ.get("FAULT_SEED", str(random.SystemRandom().randrange(10**6))))


@pytest.fixture(scope="session")
def chance() -> random.Random:
    """Where the random moments come from."""
    print(f"FAULT_SEED={SEED}")
    return random.Random(SEED)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Iterator[list[Reckoning]]:
    """Print the figures of a test, for the log."""
    results: list[Reckoning] = []
    yield results
    for result in results:
        print(f"{request.node.name}: {KILLS} faults, {result}")


def children(pid: int) -> list[int]:
    """Direct children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_worker_is_killed_while_it_infers(
    stack: Stack, load: Load, chance: random.Random, report: list[Reckoning]
) -> None:
    running = select(Job.id).where(Job.state == "running").limit(1)
    for _ in range(KILLS):
        load.wait_for(lambda: _first(load, running) is not None)
        time.sleep(chance.uniform(0, 0.06))
        _kill(stack, load, INFERENCE)
        _wait_for_a_claim(stack, load)
    result = load.reckon()
    report.append(result)
    assert result.states["succeeded"] >= 0.9 * sum(result.states.values())
    assert result.attempts > result.states["succeeded"], "no kill hit a job in hand"


def _first(load: Load, statement: object) -> object:
    with unit_of_work(load.sessions) as session:
        return session.scalar(statement)  # type: ignore[call-overload]


def _kill(stack: Stack, load: Load, name: str) -> None:
    """Kill a service, and wait until another is started: the killed one is listed until it has quite gone."""
    killed = stack.pids[name]
    stack.kill(name)
    load.wait_for(lambda: stack.pids.get(name, killed) != killed)


def _wait_for_a_claim(stack: Stack, load: Load) -> None:
    """Wait until a worker consumes again: a job is claimed by the process that runs now."""

    def claimed_by_the_living() -> bool:
        fresh = select(Job.id).where(Job.worker.like(f"%/{stack.pids.get(INFERENCE)}/inference")).limit(1)
        return _first(load, fresh) is not None

    load.wait_for(claimed_by_the_living)


def test_the_api_is_killed_between_commit_and_publish(
    stack: Stack, load: Load, chance: random.Random, report: list[Reckoning]
) -> None:
    for _ in range(KILLS):
        load.wait_for_accepted(1)
        # A broker that hangs holds every request at the place in question.
        broker = stack.pids[REDIS]
        os.kill(broker, signal.SIGSTOP)
        try:
            load.wait_for_a_new_job()
            time.sleep(chance.uniform(0, 0.02))
            for worker in children(stack.pids[API]):
                # One that was killed before may be gone since they were counted.
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
        finally:
            os.kill(broker, signal.SIGCONT)
    load.wait_for_accepted(1)
    result = load.reckon()
    report.append(result)
    assert result.states == {"succeeded": sum(result.states.values())}


def test_the_api_is_killed_at_any_moment(
    stack: Stack, load: Load, chance: random.Random, report: list[Reckoning]
) -> None:
    for _ in range(KILLS):
        load.wait_for_accepted(1)
        time.sleep(chance.uniform(0, 0.3))
        # What the killed one still answers for a moment is no sign of the next one.
        _kill(stack, load, API)
    load.wait_for_accepted(1)
    result = load.reckon()
    report.append(result)
    assert result.states == {"succeeded": sum(result.states.values())}


def test_redis_is_emptied_and_restarted_with_jobs_queued(
    stack: Stack, load: Load, chance: random.Random, report: list[Reckoning]
) -> None:
    for number in range(KILLS):
        load.wait_for_accepted(2)
        time.sleep(chance.uniform(0, 0.2))
        if number % 2:
            stack.restart_redis(kill=True)
        else:
            with Redis.from_url(stack.redis_url) as redis:
                redis.flushall()
    load.wait_for_accepted(1)
    result = load.reckon()
    report.append(result)
    assert result.states == {"succeeded": sum(result.states.values())}


def test_redis_is_away_for_a_while_with_jobs_in_hand(
    stack: Stack, load: Load, chance: random.Random, report: list[Reckoning]
) -> None:
    for _ in range(KILLS):
        load.wait_for_accepted(2)
        # Long enough for every job in hand to end, and to find nobody who takes its acknowledgement.
        with stack.without(REDIS):
            time.sleep(chance.uniform(0.5, 2))
        worker = stack.pids[INFERENCE]
        load.wait_for_success()
        assert stack.pids[INFERENCE] == worker, "the worker had to be started again"
    result = load.reckon()
    report.append(result)
    assert result.states == {"succeeded": sum(result.states.values())}


def test_postgresql_is_restarted_under_load(
    stack: Stack, load: Load, chance: random.Random, report: list[Reckoning]
) -> None:
    for number in range(KILLS):
        load.wait_for_accepted(2)
        time.sleep(chance.uniform(0, 0.3))
        stack.restart_postgres("immediate" if number % 2 else "fast")
    load.wait_for_accepted(1)
    result = load.reckon()
    report.append(result)
    assert result.states["succeeded"] >= 0.9 * sum(result.states.values())


def test_every_message_is_delivered_twice_and_more(
    stack: Stack, load: Load, chance: random.Random, report: list[Reckoning]
) -> None:
    settings = CoreSettings(stack.database_url, stack.redis_url, stack.object_directory.as_uri())
    app = celery_app(settings, "doubler")
    doubled: set[UUID] = set()
    while len(doubled) < KILLS:
        load.wait_for_accepted(1)
        for job_id in load.job_ids() - doubled:
            for _ in range(chance.randrange(1, 5)):
                app.send_task(INFER_CONTOUR.task_name, args=[str(job_id)], queue=INFER_CONTOUR.queue.value)
            doubled.add(job_id)
    result = load.reckon()
    report.append(result)
    assert result.states == {"succeeded": sum(result.states.values())}
    assert result.attempts - result.lapsed == sum(result.states.values()), "a job was run twice"
