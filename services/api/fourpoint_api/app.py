"""The application factory, and the contract that its routes make."""

from collections.abc import Callable
from typing import Any

from flask import Flask

from fourpoint_api.clients import Clients, attach
from fourpoint_api.clients import clients as attached_clients
from fourpoint_api.resources.annotations.routes import blueprint as annotations
from fourpoint_api.resources.audit.routes import blueprint as audit
from fourpoint_api.resources.contours.routes import blueprint as contours
from fourpoint_api.resources.cvat.routes import blueprint as cvat
from fourpoint_api.resources.datasets.routes import blueprint as datasets
from fourpoint_api.resources.drafts.routes import blueprint as drafts
from fourpoint_api.resources.exports.routes import blueprint as exports
from fourpoint_api.resources.filters.routes import blueprint as filters
from fourpoint_api.resources.health.routes import blueprint as health
from fourpoint_api.resources.history.routes import blueprint as history
from fourpoint_api.resources.imports.routes import blueprint as imports
from fourpoint_api.resources.jobs.routes import blueprint as jobs
from fourpoint_api.resources.label_studio.routes import blueprint as label_studio
from fourpoint_api.resources.labels.routes import blueprint as labels
from fourpoint_api.resources.me.routes import blueprint as me
from fourpoint_api.resources.members.routes import blueprint as members
from fourpoint_api.resources.metrics.routes import blueprint as metrics
from fourpoint_api.resources.pre_label.routes import blueprint as pre_label
from fourpoint_api.resources.preferences.routes import blueprint as preferences
from fourpoint_api.resources.samples.routes import blueprint as samples
from fourpoint_api.resources.stats.routes import blueprint as stats
from fourpoint_api.resources.storage.routes import blueprint as storage
from fourpoint_api.resources.syncs.routes import blueprint as syncs
from fourpoint_api.resources.tokens.routes import blueprint as tokens
from fourpoint_api.resources.trash.routes import blueprint as trash
from fourpoint_api.resources.uploads.routes import blueprint as uploads
from fourpoint_api.resources.users.routes import blueprint as users
from fourpoint_api.resources.version_contents.routes import blueprint as version_contents
from fourpoint_api.resources.versions.routes import blueprint as versions
from fourpoint_api.resources.webhooks.routes import blueprint as webhooks
from fourpoint_api.web import (
    auth,
    bodies,
    browsers,
    cors,
    idempotency,
    measuring,
    openapi,
    plain_json,
    problems,
    rate_limits,
    request_ids,
    tracing,
)

BLUEPRINTS = (
    health,
    datasets,
    labels,
    samples,
    filters,
    stats,
    contours,
    pre_label,
    metrics,
    annotations,
    history,
    drafts,
    jobs,
    trash,
    syncs,
    storage,
    versions,
    version_contents,
    preferences,
    uploads,
    exports,
    imports,
    me,
    users,
    tokens,
    members,
    webhooks,
    audit,
    label_studio,
    cvat,
)


class _Application(Flask):
    """Flask, without views or hooks that are coroutines."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """See Flask, which looks at each of two dozen functions for every request."""
        return func


def create_app(clients: Clients) -> Flask:
    """The WSGI application over the given clients."""
    app = _flask()
    app.config["MAX_CONTENT_LENGTH"] = clients.settings.max_json_bytes
    attach(app, clients)
    if clients.settings.tracing:
        tracing.install(app)
    request_ids.install(app)
    measuring.install(app)
    problems.install(app)
    cors.install(app, clients.settings.origins)
    rate_limits.install(app, lambda: attached_clients().rate_limits)
    bodies.install(app)
    auth.install(app)
    idempotency.install(app)
    openapi.serve(app, _with_routes(app))
    browsers.install(app, clients.settings)
    return app


def contract() -> dict[str, Any]:
    """The OpenAPI document; needs no clients."""
    return openapi.contract(_with_routes(_flask()))


def _flask() -> Flask:
    app = _Application("fourpoint_api", static_folder=None)
    app.json = plain_json.PlainJson(app)
    return app


def _with_routes(app: Flask) -> openapi.ContractApi:
    api = openapi.build_api(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    return api
