"""Leases are renewed, cancellations heard, hanging stages end the process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from tests.integration.worker.scenes import Gate, Scene

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import CancelledError, DeadlineExceededError, LeaseLostError
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.metrics import REGISTRY
from fourpoint_core.store.queries import jobs, leases
from fourpoint_core.store.queries.leases import ClaimedJob, Lease
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.lease_keeper import OVERRUN_EXIT_STATUS, LeaseKeeper
from fourpoint_worker.metrics import job_metrics
from fourpoint_worker.segmenter.port import Checkpoint
from fourpoint_worker.tasks.infer_contour import InferContourWork


@contextmanager
def started(keeper: LeaseKeeper) -> Iterator[LeaseKeeper]:
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def soon(fact: Callable[[], bool]) -> bool:
    """Whether the fact comes true within a minute."""
    end = time.monotonic() + 60
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def claimed_job(seconds_left: float = 60) -> ClaimedJob:
    return ClaimedJob(Lease(new_id(), 1), {}, LOCAL_USER_ID, None, seconds_left, 0.0)


def test_work_longer_than_a_lease_keeps_its_lease(scene: Scene) -> None:
    # Renewed each second: whoever is not heard of for two more has lost it.
    scene.lease_seconds = 3
    job_id = scene.queue_click(scene.sample())
    settled: list[object] = []

    def outlast(checkpoint: Checkpoint) -> None:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            with unit_of_work(scene.sessions) as session:
                settled.extend(jobs.settle_stranded(session, 10))
            time.sleep(0.05)

    scene.engine.meanwhile = outlast
    with started(LeaseKeeper(scene.sessions, 3, stage_seconds=30)) as keeper:
        scene.runner(keeper).run(scene.click_work(), job_id)
    assert settled == []
    assert scene.outcomes(job_id) == ["succeeded"]


def test_a_cancellation_reaches_the_work_at_its_next_checkpoint(scene: Scene) -> None:
    job_id = scene.queue_click(scene.sample())

    def cancel_and_go_on(checkpoint: Checkpoint) -> None:
        with unit_of_work(scene.sessions) as session:
            jobs.request_cancel(session, job_id)

        def cancelled() -> bool:
            try:
                checkpoint("more")
            except CancelledError:
                return True
            return False

        assert soon(cancelled)
        checkpoint("more")

    scene.engine.meanwhile = cancel_and_go_on
    with started(LeaseKeeper(scene.sessions, 0.6, stage_seconds=30)) as keeper:
        scene.runner(keeper).run(scene.click_work(), job_id)
    assert scene.job(job_id).state == JobState.CANCELLED


def test_work_whose_lease_was_lost_stops_at_its_next_checkpoint(scene: Scene) -> None:
    with (
        started(LeaseKeeper(scene.sessions, 0.3, stage_seconds=30)) as keeper,
        keeper.keep(claimed_job()) as job,
    ):
        assert soon(lambda: job.is_lost)
        with pytest.raises(LeaseLostError):
            job.checkpoint("next")


def leases_lost() -> float:
    """What this process tells Prometheus."""
    job_metrics()
    return REGISTRY.get_sample_value("fourpoint_leases_lost_total") or 0


def renewal_waits(scene: Scene) -> bool:
    """Whether somebody waits for a row that another transaction holds."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with unit_of_work(scene.sessions) as session:
        return session.execute(text(waiting)).first() is not None


def test_a_job_that_ends_well_while_its_renewal_waits_for_the_row_is_no_lost_lease(scene: Scene) -> None:
    class Recording(InferContourWork):
        def record(self, session: Session, *about: Any) -> dict[str, Any]:
            # The row is held from here to the commit.
            assert soon(lambda: renewal_waits(scene))
            return super().record(session, *about)

    job_id, before = scene.queue_click(scene.sample()), leases_lost()
    with started(LeaseKeeper(scene.sessions, 0.3, stage_seconds=60)) as keeper:
        scene.runner(keeper).run(Recording(scene.sessions, scene.images(), scene.engine), job_id)
    assert scene.outcomes(job_id) == ["succeeded"]
    assert leases_lost() == before


def test_a_job_that_another_worker_took_is_a_lost_lease(scene: Scene) -> None:
    job_id, before = scene.queue_click(scene.sample()), leases_lost()

    def lose(checkpoint: Checkpoint) -> None:
        with unit_of_work(scene.sessions) as session:
            leases.give_back(session, [Lease(job_id, 1)])
        with unit_of_work(scene.sessions) as session:
            assert leases.claim(session, job_id, "another", 30) is not None

    scene.engine.meanwhile = lose
    scene.run(job_id)
    assert leases_lost() == before + 1


def test_a_checkpoint_after_the_deadline_raises(scene: Scene) -> None:
    keeper = LeaseKeeper(scene.sessions, 30, stage_seconds=30)
    with keeper.keep(claimed_job(seconds_left=-1)) as job, pytest.raises(DeadlineExceededError):
        job.checkpoint("model")


def test_a_hanging_stage_ends_the_process_and_says_which(scene: Scene) -> None:
    job_id = scene.queue_click(scene.sample())
    ended: list[int] = []
    gate = Gate()

    def end_process(status: int) -> None:
        ended.append(status)
        gate.open.set()

    scene.engine.meanwhile = gate
    # Long enough for the stages before, on the slowest machine.
    with started(LeaseKeeper(scene.sessions, 30, stage_seconds=3, end_process=end_process)) as keeper:
        thread = threading.Thread(target=scene.runner(keeper).run, args=(scene.click_work(), job_id))
        thread.start()
        thread.join(60)
    assert ended[0] == OVERRUN_EXIT_STATUS
    with unit_of_work(scene.sessions) as session:
        attempt = jobs.attempts_of(session, job_id)[0]
    assert attempt.outcome == "overrun"
    assert attempt.reason == "The stage 'model' hung."


def test_a_hanging_neighbour_gives_the_others_back_at_once(scene: Scene) -> None:
    sample = scene.sample()
    hanging, innocent = scene.queue_click(sample), scene.queue_click(sample)
    keeper = LeaseKeeper(scene.sessions, 3600, stage_seconds=0.5, end_process=lambda status: None)
    claims = []
    with unit_of_work(scene.sessions) as session:
        for job_id in (hanging, innocent):
            claimed = leases.claim(session, job_id, "worker", 3600)
            assert claimed is not None
            claims.append(claimed)
    with started(keeper), keeper.keep(claims[0]) as stuck, keeper.keep(claims[1]) as moving:
        stuck.checkpoint("model")

        def given_back() -> bool:
            moving.checkpoint("model")
            with unit_of_work(scene.sessions) as session:
                jobs.settle_stranded(session, 10)
            return scene.job(innocent).state == JobState.QUEUED

        assert soon(given_back)
    # It pays with a try of its own, and the other does not: a prefetch has no more than one.
    assert [scene.job(job_id).attempts for job_id in (hanging, innocent)] == [1, 0]
    assert [scene.outcomes(job_id) for job_id in (hanging, innocent)] == [["overrun"], []]


def test_recording_may_take_longer_than_a_stage(scene: Scene) -> None:
    ended: list[int] = []
    keeper = LeaseKeeper(scene.sessions, 30, stage_seconds=0.2, end_process=ended.append)
    with keeper.keep(claimed_job()) as job:
        job.leave_stages()
        with started(keeper):
            time.sleep(0.6)
    assert ended == []
