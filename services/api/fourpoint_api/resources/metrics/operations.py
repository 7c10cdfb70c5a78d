"""Numbers of the whole service, from the rows: every process of the API gives the same; no HTTP."""

from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.store.queries import jobs, workers
from fourpoint_core.store.session import Sessions, reading

_SILENCE = timedelta(seconds=10)


def exposition(sessions: Sessions) -> bytes:
    """All numbers as they are now, in Prometheus' text format. Raises DatabaseUnavailableError."""
    registry = CollectorRegistry()
    queued = Gauge("fourpoint_jobs_queued", "Jobs that wait to be taken", ["queue"], registry=registry)
    running = Gauge("fourpoint_jobs_running", "Jobs in a worker's hands", ["queue"], registry=registry)
    age = Gauge(
        "fourpoint_queue_age_seconds",
        "How long the oldest waiting job has waited",
        ["queue"],
        registry=registry,
    )
    there = Gauge("fourpoint_workers", "Processes that consume a queue", ["queue"], registry=registry)
    with reading(sessions) as session:
        loads = jobs.loads(session)
        seen = workers.workers_seen(session, _SILENCE)
    for queue in Queue:
        load = loads.get(queue, jobs.Load())
        queued.labels(queue.value).set(load.queued)
        running.labels(queue.value).set(load.running)
        age.labels(queue.value).set(load.oldest_seconds)
        there.labels(queue.value).set(sum(queue.value in worker.queues for worker in seen))
    return generate_latest(registry)
