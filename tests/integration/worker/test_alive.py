"""The health check of a worker's container."""

from datetime import timedelta

from sqlalchemy import func, update

from fourpoint_core.store.models import WorkerProcess
from fourpoint_core.store.queries import workers
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.alive import consumes


def greet(sessions: Sessions, name: str) -> None:
    with unit_of_work(sessions) as session:
        workers.greet(session, name, ["io"], None, None)


def test_a_worker_that_greets_is_well(sessions: Sessions) -> None:
    greet(sessions, "here/7/io")
    assert consumes(sessions, "here")


def test_the_worker_of_another_host_says_nothing_of_this_one(sessions: Sessions) -> None:
    greet(sessions, "here-too/7/io")
    assert not consumes(sessions, "here")


def test_a_worker_that_has_fallen_silent_is_not_well(sessions: Sessions) -> None:
    greet(sessions, "here/7/io")
    with unit_of_work(sessions) as session:
        session.execute(update(WorkerProcess).values(seen_at=func.clock_timestamp() - timedelta(minutes=1)))
    assert not consumes(sessions, "here")
