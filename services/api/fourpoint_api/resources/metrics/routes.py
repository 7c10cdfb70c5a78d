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

blueprint = Blueprint("metrics", __name__, description="Numbers for Prometheus")
_EXAMPLE = 'fourpoint_jobs_queued{queue="click"} 0.0\n'


@blueprint.route("/metrics")
class Metrics(MethodView):
    """Requests, queues and workers, in numbers."""

    @signed_in(Scope.ADMIN, or_shows="metrics_token")
    @blueprint.doc(
        operationId="getMetrics",
        responses={
            "200": {
                "description": "Prometheus' text format",
                "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
            }
        },
    )
    @problems(blueprint)
    def get(self) -> Response:
        """Read what this server has answered and how fast, and of the whole service its queues and workers.

        Any process of a server answers for all of its processes; each replica is to be asked. Prometheus shows
        what `FOURPOINT_METRICS_TOKEN` says, which needs no database, or an admin's token. Workers serve numbers
        of their own, see `FOURPOINT_METRICS_BIND`.
        """
        body = operations.exposition(clients().sessions, clients().dependencies)
        return Response(body, content_type=CONTENT_TYPE_LATEST)
