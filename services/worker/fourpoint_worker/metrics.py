"""What an inference process publishes for Prometheus, where configuration says so.

Queue ages and depths of the whole service are the API's to tell (`GET /metrics`): it sees all rows.
"""

import logging
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Histogram, start_http_server

from fourpoint_core.jobs.contracts import JobKind
from fourpoint_worker.segmenter.metrics import EngineMetrics

logger = logging.getLogger(__name__)
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class InferenceMetrics:
    """Counters and histograms of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.engine = EngineMetrics(self._registry)
        self._stages = Histogram(
            "fourpoint_stage_seconds",
            "Time of each stage of an outline; queue is how long it waited to be taken",
            ["kind", "stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def drawn(self, kind: JobKind, milliseconds: Mapping[str, float]) -> None:
        """An outline was drawn. milliseconds: by stage."""
        for stage, spent in milliseconds.items():
            self._stages.labels(kind.name, stage).observe(spent / 1000)

    def serve(self, address: tuple[str, int] | None) -> None:
        """Answer at `http://host:port/metrics` from now on; None: nobody asks."""
        if address is None:
            return
        host, port = address
        start_http_server(port, host, self._registry)
        logger.info("metrics are served", extra={"address": f"{host}:{port}"})
