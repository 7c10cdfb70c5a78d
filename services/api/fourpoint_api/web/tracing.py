"""A span for every request, named after its route; only where tracing is on.

Not OpenTelemetry's instrumentation of Flask: it writes down the client's address, its browser and whatever
stands behind the question mark.
"""

from contextlib import ExitStack

from flask import Flask, Response, g, request

from fourpoint_api.web.measuring import method_of_request, route_of_request
from fourpoint_core import tracing
from fourpoint_core.logs import request_id_var

# Asked every few seconds by machines.
_NOT_TOLD = {"/healthz", "/readyz", "/metrics"}


def install(app: Flask) -> None:
    """Tell of every request. Before all else that is installed: what they ask of the database is part of it."""
    app.before_request(_begin)
    app.after_request(_answered)
    app.teardown_request(_end)


def _begin() -> None:
    method, route = method_of_request(), route_of_request()
    if route in _NOT_TOLD:
        return
    g.traced = ExitStack()
    facts = {"http.request.method": method, "http.route": route}
    g.span = g.traced.enter_context(
        tracing.work(f"{method} {route}", "server", parent=request.headers.get(tracing.HEADER), facts=facts)
    )


def _answered(response: Response) -> Response:
    if "span" in g:
        g.span.say(
            {
                "http.response.status_code": response.status_code,
                "fourpoint.request_id": request_id_var.get() or "",
            }
        )
        if response.status_code >= 500:
            g.span.fail(str(response.status_code))
    return response


def _end(error: BaseException | None) -> None:
    if "traced" in g:
        g.pop("traced").close()
