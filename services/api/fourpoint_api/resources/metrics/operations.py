"""Numbers of this server's processes, and of the whole service from the rows: every process of the API gives
the same of these; no HTTP."""

import contextlib
from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from fourpoint_api.dependencies import Dependencies
from fourpoint_core import metrics
from fourpoint_core.errors import DatabaseUnavailableError
from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.store.queries import jobs, workers
from fourpoint_core.store.session import Sessions, reading

_SILENCE = timedelta(seconds=10)


class ServiceMetrics:
    """The whole service as it is at one moment."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ready = Gauge(
            "fourpoint_ready",
            "1 where `GET /readyz` says ok: database, broker, storage, workers",
            ["check"],
            registry=registry,
        )
        self.queued = Gauge("fourpoint_jobs_queued", "Jobs that wait to be taken", ["queue"], registry=registry)
        self.running = Gauge("fourpoint_jobs_running", "Jobs in a worker's hands", ["queue"], registry=registry)
        self.age = Gauge(
            "fourpoint_queue_age_seconds",
            "How long the job that waits longest has waited since it might first run",
            ["queue"],
            registry=registry,
        )
        self.workers = Gauge(
            "fourpoint_workers", "Processes that consume a queue", ["queue"], registry=registry
        )


def exposition(sessions: Sessions, dependencies: Dependencies) -> bytes:
    """All numbers as they are now, in Prometheus' text format; without the rows where they cannot be read."""
    registry = CollectorRegistry()
    service = ServiceMetrics(registry)
    checks = dependencies.readiness().checks
    for check, text in checks.items():
        service.ready.labels(check).set(text == "ok")
    # Of a database that is away or hangs there are no rows to count; alerts go by `fourpoint_ready`.
    if checks["database"] == "ok":
        with contextlib.suppress(DatabaseUnavailableError):
            _count_rows(sessions, service)
    return metrics.exposition() + generate_latest(registry)


def _count_rows(sessions: Sessions, service: ServiceMetrics) -> None:
    with reading(sessions) as session:
        loads = jobs.loads(session)
        seen = workers.workers_seen(session, _SILENCE)
    for queue in Queue:
        load = loads.get(queue, jobs.Load())
        service.queued.labels(queue.value).set(load.queued)
        service.running.labels(queue.value).set(load.running)
        service.age.labels(queue.value).set(load.oldest_seconds)
        service.workers.labels(queue.value).set(sum(queue.value in worker.queues for worker in seen))
