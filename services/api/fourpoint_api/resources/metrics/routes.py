"""The route that Prometheus asks."""

from flask import Response
from flask.views import MethodView
from prometheus_client import CONTENT_TYPE_LATEST

from fourpoint_api.clients import clients
from fourpoint_api.resources.metrics import operations
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import signed_in
from fourpoint_api.web.documented import problems
from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import DatabaseUnavailableError

blueprint = Blueprint("metrics", __name__, description="Numbers for Prometheus")
_EXAMPLE = 'fourpoint_jobs_queued{queue="click"} 0.0\n'


@blueprint.route("/metrics")
class Metrics(MethodView):
    """Queues and workers, in numbers."""

    @signed_in(Scope.ADMIN)
    @blueprint.doc(
        operationId="getMetrics",
        responses={
            "200": {
                "description": "Prometheus' text format",
                "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
            }
        },
    )
    @problems(blueprint, DatabaseUnavailableError)
    def get(self) -> Response:
        """Read how many jobs wait and run, how long the oldest waits, and who consumes, per queue.

        Any process of the API may be asked. Times of outlines, cache hits and batches are served by the
        inference processes themselves, see `FOURPOINT_METRICS_BIND`.
        """
        return Response(operations.exposition(clients().sessions), content_type=CONTENT_TYPE_LATEST)
