"""Liveness and readiness, for whoever operates the service."""

from typing import Any

import marshmallow as ma
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.web import leaving
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import public
from fourpoint_api.web.documented import problem_responses
from fourpoint_api.web.problems import LeavingError
from fourpoint_api.web.schemas import Schema

blueprint = Blueprint("health", __name__, description="Liveness and readiness")


class LiveSchema(Schema):
    """The process answers."""

    status = ma.fields.String(required=True)


class ReadySchema(Schema):
    """What the service depends on; each is `ok` or says what is wrong."""

    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["ready", "not_ready"]))
    checks = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(), required=True)
    engines = ma.fields.List(ma.fields.String(), required=True)


_READY = {
    "status": "ready",
    "checks": {"database": "ok", "broker": "ok", "storage": "ok", "workers": "ok"},
    "engines": ["compact"],
}


@blueprint.route("/healthz")
class Live(MethodView):
    """Liveness."""

    @public
    # Not by `problems`, which says that the database may be away.
    @blueprint.doc(operationId="getHealth", security=[], responses=problem_responses(LeavingError))
    @blueprint.response(200, LiveSchema, example={"status": "ok"})
    def get(self) -> Any:
        """Whether the process answers, and will go on to; looks at nothing else."""
        if leaving.has_begun():
            raise LeavingError("This process is about to end; ask another one.")
        return {"status": "ok"}


@blueprint.route("/readyz")
class Ready(MethodView):
    """Readiness."""

    @public
    @blueprint.doc(operationId="getReadiness", security=[])
    @blueprint.response(200, ReadySchema, example=_READY)
    @blueprint.alt_response(
        503, schema=ReadySchema, description="Something is missing", example={**_READY, "status": "not_ready"}
    )
    def get(self) -> Any:
        """Whether database, broker, storage and workers are there."""
        found = clients().dependencies.readiness()
        ready = all(text == "ok" for text in found.checks.values())
        body = {
            "status": "ready" if ready else "not_ready",
            "checks": found.checks,
            "engines": found.engines,
        }
        return body, 200 if ready else 503
