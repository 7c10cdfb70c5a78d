"""Numbers of the whole service, for Prometheus."""

from dataclasses import replace
from datetime import timedelta

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from tests.factories import make_job
from tests.integration.api.checked_client import CheckedClient

from fourpoint_api.app import create_app
from fourpoint_api.clients import build_clients
from fourpoint_api.settings import ApiSettings
from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.metrics import REGISTRY
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


def count(client: FlaskClient, **labels: str) -> float:
    """Requests answered, of those with these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == "fourpoint_requests_total" and labels.items() <= sample.labels.items()
    )


def in_use() -> float:
    """Connections that somebody works with, in this process."""
    return REGISTRY.get_sample_value("fourpoint_database_connections_in_use") or 0.0


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


def test_a_job_that_is_tried_again_waits_anew(client: FlaskClient, sample: Sample, sessions: Sessions) -> None:
    made = make_job(sessions, sample)
    client.post(f"/v1/jobs/{made.id}/cancel")
    with unit_of_work(sessions) as session:
        earlier = Job.created_at - timedelta(minutes=5)
        session.execute(update(Job).where(Job.id == made.id).values(created_at=earlier))
    assert client.post(f"/v1/jobs/{made.id}/retry").status_code == 202
    assert numbers(client, "fourpoint_queue_age_seconds")["click"] < 200


def test_workers_are_counted_by_what_they_consume(client: FlaskClient, sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        workers.greet(session, "one", ["click", "batch"], "weight-free", "0" * 64)
    assert numbers(client, "fourpoint_workers") == {"click": 1, "prefetch": 0, "batch": 1, "io": 0}


def test_requests_are_counted_by_route_and_status_and_never_by_address(client: FlaskClient) -> None:
    before = count(client, route="/v1/jobs/<uuid:job_id>", status="404")
    client.get("/v1/jobs/01930000-0000-7000-8000-00000000dead")
    assert count(client, route="/v1/jobs/<uuid:job_id>", status="404") == before + 1


def test_addresses_that_do_not_exist_are_one_route(client: FlaskClient) -> None:
    before = count(client, route="none", status="404")
    client.get("/made/up/1")
    client.get("/made/up/2")
    assert count(client, route="none", status="404") == before + 2


def test_the_scrapers_secret_opens_this_and_nothing_else(api_settings: ApiSettings) -> None:
    secret = "the secret of the scraper"
    clients = build_clients(replace(api_settings, metrics_token=secret))
    scraper = CheckedClient(create_app(clients), secret)
    assert scraper.get("/metrics").status_code == 200
    assert scraper.get("/v1/users").status_code == 401
    assert CheckedClient(create_app(clients), secret[:-1]).get("/metrics").status_code == 401
    clients.close()


def test_without_a_secret_nobody_comes_in_by_showing_none(nobody: FlaskClient) -> None:
    assert nobody.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_a_database_that_is_away_is_told_and_hides_no_other_number(api_settings: ApiSettings) -> None:
    secret = "the secret of the scraper"
    lost = replace(api_settings, metrics_token=secret, database_url="postgresql://nobody@127.0.0.1:1/none")
    clients = build_clients(lost)
    answer = CheckedClient(create_app(clients), secret).get("/metrics")
    clients.close()
    assert answer.status_code == 200
    assert 'fourpoint_ready{check="database"} 0.0' in answer.text
    assert 'fourpoint_ready{check="broker"} 1.0' in answer.text
    assert "fourpoint_requests_total" in answer.text


def test_a_connection_is_in_use_for_as_long_as_somebody_works_with_it(sessions: Sessions) -> None:
    before = in_use()
    with unit_of_work(sessions) as session:
        session.connection()
        assert in_use() == before + 1
    assert in_use() == before
