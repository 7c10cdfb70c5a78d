"""What worker processes count and time for Prometheus, served where configuration says so.

Queue ages and depths of the whole service are the API's to tell (`GET /metrics`): it sees all rows.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.jobs.contracts import JobKind
from fourpoint_core.metrics import LONG_SECONDS, REGISTRY, SECONDS
from fourpoint_worker.segmenter.metrics import EngineMetrics

# Of a try that ended without a state of its own: the job is somebody else's by now.
LOST = "lost"


@dataclass
class Try:
    """state: what the job is in now; None where that is for others to say."""

    state: JobState | None = None


class JobMetrics:
    """Jobs of all kinds, and what the sweep had to put right."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tries = Counter(
            "fourpoint_job_tries",
            "Tries at jobs by what the job was in afterwards; `queued`: to be tried again, or to go on; "
            "`lost`: not ours any more, or the database was away",
            ["kind", "state"],
            registry=registry,
        )
        self.seconds = Histogram(
            "fourpoint_job_seconds",
            "One try at a job, from its claim to its record",
            ["kind"],
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self.waited = Histogram(
            "fourpoint_job_wait_seconds",
            "How old a job was when it was taken",
            ["kind"],
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self.leases_lost = Counter(
            "fourpoint_leases_lost",
            "Jobs that another worker took while this one was at them",
            registry=registry,
        )
        self.stranded = Counter(
            "fourpoint_jobs_stranded",
            "Jobs that the sweep queued again or ended: their worker was gone, or their time was up",
            ["queue"],
            registry=registry,
        )
        self.published_again = Counter(
            "fourpoint_messages_published_again",
            "Messages that the sweep sent because they seemed lost",
            ["queue"],
            registry=registry,
        )

    @contextmanager
    def one_try(self, kind: JobKind, seconds_queued: float) -> Iterator[Try]:
        """A try at a job, whose outcome the block says."""
        self.waited.labels(kind.name).observe(seconds_queued)
        began, outcome = time.perf_counter(), Try()
        try:
            yield outcome
        finally:
            self.seconds.labels(kind.name).observe(time.perf_counter() - began)
            self.tries.labels(kind.name, outcome.state.value if outcome.state else LOST).inc()


class ImageMetrics:
    """Images that somebody asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.images = Counter(
            "fourpoint_images", "Images by where they came from: memory or store", ["source"], registry=registry
        )

    def found_in(self, source: str) -> None:
        """An image was asked for."""
        self.images.labels(source).inc()


class SyncMetrics:
    """Synchronisations with the bucket."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.objects = Counter(
            "fourpoint_sync_objects",
            "Objects of the bucket that synchronisations have dealt with, by phase",
            ["phase"],
            registry=registry,
        )


class WebhookMetrics:
    """Calls of webhooks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "fourpoint_webhook_calls", "Calls by outcome: delivered or failed", ["outcome"], registry=registry
        )


class OutlineMetrics:
    """Stages of an outline."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._stages = Histogram(
            "fourpoint_stage_seconds",
            "Time of each stage of an outline; queue is how long it waited to be taken",
            ["kind", "stage"],
            buckets=SECONDS,
            registry=registry,
        )

    def drawn(self, kind: JobKind, milliseconds: Mapping[str, float]) -> None:
        """An outline was drawn. milliseconds: by stage."""
        for stage, spent in milliseconds.items():
            self._stages.labels(kind.name, stage).observe(spent / 1000)


@cache
def job_metrics() -> JobMetrics:
    """Those of this process."""
    return JobMetrics(REGISTRY)


@cache
def image_metrics() -> ImageMetrics:
    """Those of this process."""
    return ImageMetrics(REGISTRY)


@cache
def sync_metrics() -> SyncMetrics:
    """Those of this process."""
    return SyncMetrics(REGISTRY)


@cache
def webhook_metrics() -> WebhookMetrics:
    """Those of this process."""
    return WebhookMetrics(REGISTRY)


@cache
def outline_metrics() -> OutlineMetrics:
    """Those of this process."""
    return OutlineMetrics(REGISTRY)


@cache
def engine_metrics() -> EngineMetrics:
    """Those of this process."""
    return EngineMetrics(REGISTRY)
