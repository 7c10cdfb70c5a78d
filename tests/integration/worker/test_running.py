"""Claim, do, record: what counts, what is dropped, what is tried again."""

import logging
import threading

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from tests.integration.worker.scenes import Gate, Scene

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import CancelledError, NoOutlineError, StorageUnavailableError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import SaveMode
from fourpoint_core.jobs.events import CHANNEL, JobEvent
from fourpoint_core.store.queries import annotations, jobs, leases
from fourpoint_core.store.session import unit_of_work
from fourpoint_worker.segmenter.port import Checkpoint


def _raise(error: Exception) -> None:
    raise error


def expire_lease(scene: Scene, job_id: object) -> None:
    """As if the worker had stopped renewing long ago."""
    with unit_of_work(scene.sessions) as session:
        job = jobs.get_job(session, job_id)  # type: ignore[arg-type]
        leases.give_back(session, [leases.Lease(job.id, job.lease_number)])


def test_a_job_that_ends_well_has_a_result_and_one_attempt(scene: Scene) -> None:
    job_id = scene.queue_click(scene.sample())
    job = scene.run(job_id)
    assert job.state == JobState.SUCCEEDED
    assert job.result is not None and job.error is None
    assert scene.outcomes(job_id) == ["succeeded"]


def test_a_second_message_about_a_job_that_is_done_changes_nothing(scene: Scene) -> None:
    sample = scene.sample()
    job_id = scene.queue_click(sample, SaveMode.DOCUMENT, "cat")
    first = scene.run(job_id)
    second = scene.run(job_id)
    assert scene.engine.asked == 1
    assert (second.result, second.lease_number) == (first.result, first.lease_number)
    assert scene.read_sample(sample.id).annotation_count == 1


def test_a_message_about_no_job_is_dropped(scene: Scene) -> None:
    scene.runner().run(scene.click_work(), new_id())
    assert scene.engine.asked == 0


def test_two_workers_with_the_same_message_run_the_job_once(scene: Scene) -> None:
    gate = Gate()
    scene.engine.meanwhile = gate
    job_id = scene.queue_click(scene.sample())
    work = scene.click_work()
    first = threading.Thread(target=scene.runner().run, args=(work, job_id))
    first.start()
    assert gate.reached.wait(10)
    scene.runner(name="worker-2").run(work, job_id)
    gate.open.set()
    first.join(10)
    assert scene.engine.asked == 1
    assert scene.outcomes(job_id) == ["succeeded"]


def test_a_worker_thought_dead_cannot_record_over_its_successor(scene: Scene) -> None:
    sample = scene.sample()
    job_id = scene.queue_click(sample, SaveMode.DOCUMENT, "cat")
    gate = Gate()
    scene.engine.meanwhile = gate
    slow = threading.Thread(target=scene.runner(name="slow").run, args=(scene.click_work(), job_id))
    slow.start()
    assert gate.reached.wait(10)
    expire_lease(scene, job_id)
    gate.open.set()
    scene.engine.meanwhile = lambda checkpoint: None
    successor = Scene.run(scene, job_id)
    slow.join(10)
    assert successor.state == JobState.SUCCEEDED
    assert scene.read_sample(sample.id).annotation_count == 1
    assert scene.job(job_id).state == JobState.SUCCEEDED
    assert scene.read_sample(sample.id).revision == 1


def test_a_retryable_error_queues_the_job_again_with_its_reason(scene: Scene) -> None:
    scene.engine.meanwhile = lambda checkpoint: _raise(StorageUnavailableError("The store sleeps."))
    job_id = scene.queue_click(scene.sample())
    job = scene.run(job_id)
    assert job.state == JobState.QUEUED
    assert job.run_after is not None
    with unit_of_work(scene.sessions) as session:
        attempt = jobs.attempts_of(session, job_id)[0]
    assert (attempt.outcome, attempt.reason) == ("retry", "The store sleeps.")


def test_a_job_is_not_claimed_before_its_pause_is_over(scene: Scene) -> None:
    scene.engine.meanwhile = lambda checkpoint: _raise(StorageUnavailableError("The store sleeps."))
    job_id = scene.queue_click(scene.sample())
    scene.run(job_id)
    job = scene.run(job_id)
    assert job.attempts == 1


def test_an_error_that_would_come_again_fails_the_job_with_its_code(scene: Scene) -> None:
    scene.engine.meanwhile = lambda checkpoint: _raise(NoOutlineError("Nothing there."))
    job = scene.run(scene.queue_click(scene.sample()))
    assert job.state == JobState.FAILED
    assert job.error is not None and job.error["code"] == "no_outline"


def test_a_defect_fails_the_job_without_telling_internals(scene: Scene) -> None:
    scene.engine.meanwhile = lambda checkpoint: _raise(ZeroDivisionError("secret /path"))
    job = scene.run(scene.queue_click(scene.sample()))
    assert job.error is not None and job.error["code"] == "internal_error"
    assert "secret" not in str(job.error)


def test_a_soft_time_limit_leaves_the_job_to_another_try(scene: Scene) -> None:
    scene.engine.meanwhile = lambda checkpoint: _raise(SoftTimeLimitExceeded())
    job = scene.run(scene.queue_click(scene.sample()))
    assert job.state == JobState.QUEUED


def test_a_cancelled_job_ends_as_cancelled(scene: Scene) -> None:
    scene.engine.meanwhile = lambda checkpoint: _raise(CancelledError("The job was cancelled."))
    job_id = scene.queue_click(scene.sample())
    assert scene.run(job_id).state == JobState.CANCELLED
    assert scene.outcomes(job_id) == ["cancelled"]


def test_the_end_of_a_job_is_announced(scene: Scene) -> None:
    job_id = scene.queue_click(scene.sample())
    with scene.redis.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(CHANNEL)
        channel.get_message(timeout=60)
        scene.run(job_id)
        message = channel.get_message(timeout=60)
    assert message is not None
    assert JobEvent.decode(message["data"]) == JobEvent(job_id, JobState.SUCCEEDED)


def test_log_lines_of_a_job_name_it_and_its_request(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    from fourpoint_core.logs import job_id_var, request_id_var

    seen: list[tuple[str | None, str | None]] = []

    def look(checkpoint: Checkpoint) -> None:
        seen.append((request_id_var.get(), job_id_var.get()))

    scene.engine.meanwhile = look
    job_id = scene.queue_click(scene.sample())
    with caplog.at_level(logging.INFO):
        scene.run(job_id)
    assert seen == [("request-1", str(job_id))]


def test_nothing_of_a_failed_try_is_kept(scene: Scene) -> None:
    sample = scene.sample()
    gate = Gate()
    scene.engine.meanwhile = gate
    job_id = scene.queue_click(sample, SaveMode.DOCUMENT, "cat")
    thread = threading.Thread(target=scene.runner().run, args=(scene.click_work(), job_id))
    thread.start()
    assert gate.reached.wait(10)
    with unit_of_work(scene.sessions) as session:
        jobs.request_cancel(session, job_id)
    expire_lease(scene, job_id)
    with unit_of_work(scene.sessions) as session:
        jobs.settle_stranded(session, 10)
    gate.open.set()
    thread.join(10)
    assert scene.job(job_id).state == JobState.CANCELLED
    with unit_of_work(scene.sessions) as session:
        assert annotations.current_annotations(session, sample.id) == []
