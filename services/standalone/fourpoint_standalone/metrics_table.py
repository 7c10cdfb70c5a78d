"""The table of metrics in `docs/observability.md`: `python -m fourpoint_standalone.metrics_table FILE`."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from fourpoint_api.resources.metrics.operations import ServiceMetrics
from fourpoint_api.web.measuring import RequestMetrics
from fourpoint_core.store.pool_use import PoolMetrics
from fourpoint_worker.metrics import ImageMetrics, JobMetrics, OutlineMetrics, SyncMetrics, WebhookMetrics
from fourpoint_worker.segmenter.metrics import EngineMetrics

BEGIN, END = "<!-- made by fourpoint_standalone.metrics_table -->\n", "<!-- end -->\n"
_PUBLISHED: tuple[tuple[str, tuple[Callable[[CollectorRegistry], Any], ...]], ...] = (
    ("API, of the whole service", (ServiceMetrics,)),
    ("API", (RequestMetrics,)),
    ("all", (PoolMetrics,)),
    ("both workers", (JobMetrics,)),
    ("io", (SyncMetrics, WebhookMetrics)),
    ("inference", (OutlineMetrics, ImageMetrics, EngineMetrics)),
)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric as Prometheus knows it. series: the names that queries may use."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]
    publisher: str
    series: frozenset[str]


def published() -> Iterator[Family]:
    """Everything that some process publishes."""
    for publisher, makers in _PUBLISHED:
        registry = CollectorRegistry()
        for make in makers:
            for metric in vars(make(registry)).values():
                (family,) = metric.describe()
                base = family.name
                series = {
                    "counter": {f"{base}_total"},
                    "histogram": {f"{base}_bucket", f"{base}_sum", f"{base}_count"},
                }.get(family.type, {base})
                name = f"{base}_total" if family.type == "counter" else base
                yield Family(
                    name, family.type, family.documentation, metric._labelnames, publisher, frozenset(series)
                )


def table() -> str:
    """As it stands in the page."""
    lines = ["| metric | kind | labels | published by | what it says |", "| --- | --- | --- | --- | --- |"]
    for one in published():
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.publisher} | {one.meaning} |")
    return "\n".join(lines) + "\n"


def renewed(page: str) -> str:
    """A page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text()))
