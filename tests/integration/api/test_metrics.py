"""Numbers of the whole service, for Prometheus."""

from datetime import timedelta

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from tests.factories import make_job

from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.store.models import Job, Sample
from fourpoint_core.store.queries import workers
from fourpoint_core.store.session import Sessions, unit_of_work


def numbers(client: FlaskClient, name: str) -> dict[str, float]:
    """A gauge by queue."""
    answer = client.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    return {
        sample.labels["queue"]: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name
    }


def test_every_queue_is_told_also_when_nothing_waits(client: FlaskClient) -> None:
    assert numbers(client, "fourpoint_jobs_queued") == {queue.value: 0 for queue in Queue}


def test_jobs_that_wait_are_counted_with_the_age_of_the_oldest(
    client: FlaskClient, sessions: Sessions, sample: Sample
) -> None:
    for _ in range(2):
        made = make_job(sessions, sample)
    with unit_of_work(sessions) as session:
        earlier = Job.created_at - timedelta(minutes=5)
        session.execute(update(Job).where(Job.id == made.id).values(created_at=earlier))
    assert numbers(client, "fourpoint_jobs_queued")["click"] == 2
    assert 300 <= numbers(client, "fourpoint_queue_age_seconds")["click"] < 400


def test_workers_are_counted_by_what_they_consume(client: FlaskClient, sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        workers.greet(session, "one", ["click", "batch"], "weight-free", "0" * 64)
    assert numbers(client, "fourpoint_workers") == {"click": 1, "prefetch": 0, "batch": 1, "io": 0}
