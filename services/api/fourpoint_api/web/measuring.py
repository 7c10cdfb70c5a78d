"""Every request, counted and timed for Prometheus by the route that served it, never by its address."""

import time
from functools import cache

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fourpoint_core.metrics import REGISTRY, SECONDS

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class RequestMetrics:
    """Numbers of a process of the API."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "fourpoint_requests",
            "Requests answered; route `none`: there is no such address",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "fourpoint_request_seconds",
            "From a request's headers to its answer; `Prefer: wait` waits for a worker",
            ["method", "route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.waiting = Gauge(
            "fourpoint_requests_waiting",
            "Requests that wait for a job to end, or for another of the same key",
            multiprocess_mode="livesum",
            registry=registry,
        )


@cache
def request_metrics() -> RequestMetrics:
    """Those of this process."""
    return RequestMetrics(REGISTRY)


def install(app: Flask) -> None:
    """Measure every request."""
    app.before_request(_begin)
    app.after_request(_end)


def method_of_request() -> str:
    """Its method, of those that exist: what clients make up must not become labels, of which each stays."""
    return request.method if request.method in _METHODS else "other"


def route_of_request() -> str:
    """The route that serves it, never its address."""
    return request.url_rule.rule if request.url_rule is not None else "none"


def _begin() -> None:
    g.measured_from = time.perf_counter()


def _end(response: Response) -> Response:
    method, route = method_of_request(), route_of_request()
    request_metrics().requests.labels(method, route, str(response.status_code)).inc()
    if "measured_from" in g:
        request_metrics().seconds.labels(method, route).observe(time.perf_counter() - g.measured_from)
    return response
