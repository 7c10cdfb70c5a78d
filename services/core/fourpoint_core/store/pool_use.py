"""How many connections to PostgreSQL are in use, of how many that may be open."""

from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Engine, event

from fourpoint_core.metrics import REGISTRY

_COUNTED = "fourpoint_counted"


class PoolMetrics:
    """Connections to PostgreSQL."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_use = Gauge(
            "fourpoint_database_connections_in_use",
            "Connections to PostgreSQL that somebody works with",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.limit = Gauge(
            "fourpoint_database_connections_limit",
            "Connections to PostgreSQL that may be open at most",
            multiprocess_mode="livesum",
            registry=registry,
        )


@cache
def pool_metrics() -> PoolMetrics:
    """Those of this process."""
    return PoolMetrics(REGISTRY)


def watch(engine: Engine, limit: int) -> None:
    """Count the connections in use. limit: how many the engine opens at most."""
    pool_metrics().limit.inc(limit)

    def taken(_connection: Any, record: Any, _proxy: Any) -> None:
        record.record_info[_COUNTED] = True
        pool_metrics().in_use.inc()

    def returned(_connection: Any, record: Any) -> None:
        # A connection that proved dead at its checkout comes back without ever having been in use.
        if record.record_info.pop(_COUNTED, False):
            pool_metrics().in_use.dec()

    event.listen(engine, "checkout", taken)
    event.listen(engine, "checkin", returned)
