"""The application factory."""

from flask import Flask

from fourpoint_api.clients import Clients, attach
from fourpoint_api.resources.annotations.routes import blueprint as annotations
from fourpoint_api.resources.contours.routes import blueprint as contours
from fourpoint_api.resources.datasets.routes import blueprint as datasets
from fourpoint_api.resources.health.routes import blueprint as health
from fourpoint_api.resources.jobs.routes import blueprint as jobs
from fourpoint_api.resources.samples.routes import blueprint as samples
from fourpoint_api.web import openapi, problems, request_ids


def create_app(clients: Clients) -> Flask:
    """The WSGI application over the given clients."""
    app = Flask("fourpoint_api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = clients.settings.max_json_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]
    attach(app, clients)
    request_ids.install(app)
    problems.install(app)
    api = openapi.build_api(app)
    for blueprint in (health, datasets, samples, contours, annotations, jobs):
        api.register_blueprint(blueprint)
    openapi.serve(app, api)
    app.extensions["fourpoint-api"] = api
    return app


def contract_of(app: Flask) -> dict[str, object]:
    """The OpenAPI document of an application."""
    return openapi.contract(app.extensions["fourpoint-api"])
