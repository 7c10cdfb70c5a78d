"""Traces where something dies or is away: the worker, the collector."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from celery import Celery
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.integration.worker.scenes import Scene
from tests.integration.worker.test_processes import (
    HELD,
    INFERENCE,
    IO,
    broker,
    eventually,
    process,
    publish,
    variables,
)
from tests.otlp_receiver import OtlpReceiver, Span

from fourpoint_core import tracing
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.jobs.contracts import RESTORE_SAMPLES, RestoreSamples
from fourpoint_core.settings import CoreSettings
from fourpoint_core.store.session import connect, unit_of_work
from fourpoint_standalone.processes import free_port

__all__ = ["broker", "variables"]
API = """
import sys
from gunicorn.app.wsgiapp import run
sys.argv = ["gunicorn", "fourpoint_api.wsgi:app", "--config=python:fourpoint_api.gunicorn_conf", "--workers=1"]
sys.exit(run())
"""
# Nothing is sent before the end, unless there is very much of it.
LATE = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=60).is_success
    except httpx.TransportError:
        return False


def named(spans: list[Span], name: str, service: str) -> list[Span]:
    return [span for span in spans if (span.name, span.service) == (name, service)]


@pytest.mark.usefixtures("traced_here")
def test_a_job_whose_worker_was_killed_goes_on_in_its_trace(
    scene: Scene, variables: dict[str, str], broker: Celery, collector: OtlpReceiver, tmp_path: Path
) -> None:
    # Its message is published once: however long the second worker takes to start, and to work.
    variables = {**variables, **collector.variables, "FOURPOINT_REDISPATCH_SECONDS": "600"}
    with tracing.work("click", "server"):
        trace_id = tracing.ids()["trace_id"]
        job_id = scene.queue_click(scene.sample())
        publish(scene, broker, job_id)
    with process(HELD, {**variables, "FOURPOINT_LEASE_SECONDS": "1"}, tmp_path / "first") as running:
        assert eventually(lambda: scene.job(job_id).state == JobState.RUNNING)
        os.killpg(running.pid, signal.SIGKILL)
    with process(IO, variables, tmp_path / "io"), process(INFERENCE, variables, tmp_path / "second"):
        assert eventually(lambda: scene.job(job_id).state == JobState.SUCCEEDED)
        told = [("infer_contour", "inference"), ("publish click", "io"), ("click", "api")]
        collector.wait_for(lambda spans: all(named(spans, name, f"fourpoint-{role}") for name, role in told))
    spans = collector.trace(trace_id)
    (second,) = named(spans, "infer_contour", "fourpoint-inference")
    assert second.facts["fourpoint.lease_number"] == 2
    (again,) = named(spans, "publish click", "fourpoint-io")
    assert second.parent_id == again.span_id
    assert again.parent_id == named(spans, "click", "fourpoint-api")[0].span_id


def test_a_worker_whose_collector_hangs_up_does_its_work_and_stops_when_told_to(
    scene: Scene, variables: dict[str, str], broker: Celery, collector: OtlpReceiver, tmp_path: Path
) -> None:
    variables = {**variables, **collector.variables}
    collector.hangs_up = True
    job_id = scene.queue_click(scene.sample())
    with process(INFERENCE, variables, tmp_path / "log") as running:
        publish(scene, broker, job_id)
        assert eventually(lambda: scene.job(job_id).state == JobState.SUCCEEDED)
        assert collector.asked.wait(120)
        running.send_signal(signal.SIGTERM)
        assert running.wait(120) == 0


def test_a_worker_that_is_told_to_stop_sends_what_it_has_not_sent(
    scene: Scene, variables: dict[str, str], broker: Celery, collector: OtlpReceiver, tmp_path: Path
) -> None:
    variables = {**variables, **collector.variables, **LATE}
    click = scene.queue_click(scene.sample())
    restoration = scene.queue(RESTORE_SAMPLES, RestoreSamples(scene.dataset_id))
    with (
        process(INFERENCE, variables, tmp_path / "inference") as inference,
        process(IO, variables, tmp_path / "io") as io,
    ):
        publish(scene, broker, click, restoration)
        assert eventually(lambda: scene.job(click).state == scene.job(restoration).state == "succeeded")
        assert collector.spans == []
        for running in (inference, io):
            running.send_signal(signal.SIGTERM)
            assert running.wait(120) == 0
    assert {"infer_contour", "restore_samples"} <= {span.name for span in collector.spans}


def test_a_process_of_the_api_that_is_told_to_stop_sends_what_it_has_not_sent(
    variables: dict[str, str], collector: OtlpReceiver, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings = {"FOURPOINT_BIND": address, "FOURPOINT_AUTH": "off", "FOURPOINT_SECRET_KEY": "s" * 16}
    with process(API, {**variables, **collector.variables, **LATE, **settings}, tmp_path / "log") as running:
        assert eventually(lambda: answers(f"http://{address}/v1/me"))
        assert collector.bodies == []
        running.send_signal(signal.SIGTERM)
        assert running.wait(120) == 0
    assert "GET /v1/me" in {span.name for span in collector.spans}


@pytest.mark.usefixtures("traced_here")
def test_nothing_waits_for_a_collector_that_does_not_answer(collector: OtlpReceiver) -> None:
    collector.answers.clear()
    for _ in range(5000):
        with tracing.work("request", "server"):
            pass
    assert collector.asked.wait(120)
    tracing.stop()
    assert collector.bodies == []


@pytest.mark.usefixtures("traced_here")
def test_of_work_in_millions_of_steps_some_hundreds_are_told(collector: OtlpReceiver) -> None:
    with tracing.work("a long job"):
        for _ in range(tracing.ROOM + 7):
            with tracing.step("step"):
                pass
    (job,) = named(
        collector.wait_for(lambda spans: named(spans, "a long job", "fourpoint-api")),
        "a long job",
        "fourpoint-api",
    )
    assert job.facts["fourpoint.steps_left_out"] == 7
    assert len(named(collector.spans, "step", "fourpoint-api")) == tracing.ROOM


@pytest.mark.usefixtures("traced_here")
def test_a_statement_that_fails_is_told_without_the_values_that_the_database_quotes(
    core_settings: CoreSettings, collector: OtlpReceiver
) -> None:
    sessions = connect(CoreSettings(**{**vars(core_settings), "tracing": True}))
    statement = text(
        "INSERT INTO users (id, name) VALUES (gen_random_uuid(), :name), (gen_random_uuid(), :name)"
    )
    with (
        pytest.raises(IntegrityError, match="a-private-name"),
        tracing.work("save"),
        unit_of_work(sessions) as session,
    ):
        session.execute(statement, {"name": "a-private-name"})
    spans = collector.wait_for(lambda spans: named(spans, "save", "fourpoint-api"))
    (failed,) = named(spans, "INSERT users", "fourpoint-api")
    assert failed.failed
    assert failed.facts["error.type"] == "UniqueViolation"
    assert b"a-private-name" not in b"".join(collector.bodies)


@pytest.mark.usefixtures("traced_here")
def test_what_goes_on_by_itself_makes_no_traces(core_settings: CoreSettings, collector: OtlpReceiver) -> None:
    sessions = connect(CoreSettings(**{**vars(core_settings), "tracing": True}))
    with unit_of_work(sessions) as session:
        session.execute(text("SELECT 1"))
    with tracing.work("work"):
        pass
    assert [span.name for span in collector.wait_for(bool)] == ["work"]
