"""Routes of webhooks: of one dataset, for its owners; of all datasets, for admins."""

from typing import Any
from uuid import UUID

from flask import url_for
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.webhooks import examples, operations, schemas
from fourpoint_api.web import paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs
from fourpoint_api.web.documented import problems
from fourpoint_api.web.response_headers import sends
from fourpoint_api.web.schemas import UncountedPageQuerySchema
from fourpoint_core.domain.access import Role
from fourpoint_core.domain.webhooks import DeliveryState
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.store.models import Webhook, WebhookDelivery

_DELIVERY_FIELDS = tuple(schemas.DeliverySchema().fields)
blueprint = Blueprint("webhooks", __name__, url_prefix="/v1", description="Telling other systems what happens")


@blueprint.route("/webhooks")
class GlobalWebhooks(MethodView):
    """The webhooks of all datasets."""

    @sends(blueprint, "Location", "Cache-Control")
    @blueprint.doc(operationId="createGlobalWebhook")
    @blueprint.arguments(schemas.NewWebhookSchema, example=examples.NEW_WEBHOOK)
    @blueprint.response(201, schemas.MadeWebhookSchema, example={**examples.MADE_WEBHOOK, "dataset_id": None})
    @problems(blueprint, InvalidInputError)
    def post(self, body: dict[str, Any]) -> Any:
        """Have an address told of the events of all datasets; an admin does."""
        return _create(None, body)

    @blueprint.doc(operationId="listGlobalWebhooks")
    @blueprint.arguments(UncountedPageQuerySchema, location="query")
    @blueprint.response(
        200,
        schemas.WebhookPageSchema,
        example={"items": [{**examples.WEBHOOK, "dataset_id": None}], "next_cursor": None},
    )
    @problems(blueprint, InvalidInputError)
    def get(self, query: dict[str, Any]) -> Any:
        """List the webhooks of all datasets, oldest first; for admins."""
        return _list(None, query)


@blueprint.route("/datasets/<uuid:dataset_id>/webhooks")
class Webhooks(MethodView):
    """The webhooks of a dataset."""

    @needs(Role.OWNER)
    @sends(blueprint, "Location", "Cache-Control")
    @blueprint.doc(operationId="createWebhook")
    @blueprint.arguments(schemas.NewWebhookSchema, example=examples.NEW_WEBHOOK)
    @blueprint.response(201, schemas.MadeWebhookSchema, example=examples.MADE_WEBHOOK)
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Have an address told of this dataset's events. The secret that signs them is shown once."""
        return _create(dataset_id, body)

    @needs(Role.OWNER)
    @blueprint.doc(operationId="listWebhooks")
    @blueprint.arguments(UncountedPageQuerySchema, location="query")
    @blueprint.response(
        200, schemas.WebhookPageSchema, example={"items": [examples.WEBHOOK], "next_cursor": None}
    )
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List the webhooks of a dataset, oldest first."""
        return _list(dataset_id, query)


@blueprint.route("/webhooks/<uuid:webhook_id>")
class OneWebhook(MethodView):
    """One webhook."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="getWebhook")
    @blueprint.response(200, schemas.WebhookSchema, example=examples.WEBHOOK)
    @problems(blueprint, NotFoundError)
    def get(self, webhook_id: UUID) -> Any:
        """Read a webhook."""
        return render(operations.read(clients().sessions, webhook_id))

    @needs(Role.OWNER)
    @blueprint.doc(operationId="changeWebhook")
    @blueprint.arguments(schemas.WebhookChangeSchema, example={"active": False})
    @blueprint.response(200, schemas.WebhookSchema, example={**examples.WEBHOOK, "active": False})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def patch(self, body: dict[str, Any], webhook_id: UUID) -> Any:
        """Change where a webhook leads or what it is told, stop it for a while, or let it go on."""
        changes = {name: body.get(name) for name in ("url", "description", "events", "active")}
        return render(operations.change(clients().sessions, webhook_id, **changes))

    @needs(Role.OWNER)
    @blueprint.doc(operationId="deleteWebhook")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError)
    def delete(self, webhook_id: UUID) -> None:
        """Remove a webhook with its log; what was still to be delivered is not."""
        operations.delete(clients().sessions, webhook_id)


@blueprint.route("/webhooks/<uuid:webhook_id>/secret")
class Secret(MethodView):
    """What signs the deliveries of a webhook."""

    @needs(Role.OWNER)
    @sends(blueprint, "Cache-Control")
    @blueprint.doc(operationId="renewWebhookSecret")
    @blueprint.response(200, schemas.MadeWebhookSchema, example=examples.MADE_WEBHOOK)
    @problems(blueprint, NotFoundError)
    def post(self, webhook_id: UUID) -> Any:
        """Sign with a new secret from now on; it is shown once."""
        return _with_secret(operations.renew_secret(clients().sessions, webhook_id))


@blueprint.route("/webhooks/<uuid:webhook_id>/ping")
class Ping(MethodView):
    """A test of a webhook."""

    @needs(Role.OWNER)
    @sends(blueprint, "Location")
    @blueprint.doc(operationId="pingWebhook")
    @blueprint.response(202, schemas.DeliverySchema, example=examples.DELIVERY)
    @problems(blueprint, NotFoundError)
    def post(self, webhook_id: UUID) -> Any:
        """Have a webhook called within seconds, with the event `ping`; `Location` says what came of it."""
        return _accepted(operations.ping(clients().sessions, webhook_id))


@blueprint.route("/webhooks/<uuid:webhook_id>/deliveries")
class Deliveries(MethodView):
    """The log of a webhook."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="listWebhookDeliveries")
    @blueprint.arguments(schemas.DeliveryQuerySchema, location="query")
    @blueprint.response(
        200, schemas.DeliveryPageSchema, example={"items": [examples.DELIVERY], "next_cursor": None}
    )
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], webhook_id: UUID) -> Any:
        """List what was and is to be delivered, oldest first; what has ended is kept for some weeks."""
        scope = f"deliveries {webhook_id} {query['state']}"
        after = paging.read_cursor(query["cursor"], scope)
        page = operations.log(clients().sessions, webhook_id, query["state"], after, query["limit"])
        body, headers = paging.page_body(page, scope, render_delivery, None)
        return body, 200, headers


@blueprint.route("/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>")
class OneDelivery(MethodView):
    """One delivery."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="getWebhookDelivery")
    @blueprint.response(200, schemas.DeliverySchema, example=examples.DELIVERY)
    @problems(blueprint, NotFoundError)
    def get(self, webhook_id: UUID, delivery_id: UUID) -> Any:
        """Read a delivery: how often it was tried, and what the receiver answered last."""
        return render_delivery(operations.read_delivery(clients().sessions, webhook_id, delivery_id))


@blueprint.route("/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/redeliver")
class Redelivery(MethodView):
    """Sending an event again."""

    @needs(Role.OWNER)
    @sends(blueprint, "Location")
    @blueprint.doc(operationId="redeliverWebhookDelivery")
    @blueprint.response(202, schemas.DeliverySchema, example=examples.DELIVERY)
    @problems(blueprint, NotFoundError)
    def post(self, webhook_id: UUID, delivery_id: UUID) -> Any:
        """Deliver the event of a delivery once more, under the same `event_id`, with all its tries."""
        return _accepted(operations.send_again(clients().sessions, webhook_id, delivery_id))


def render(webhook: Webhook) -> dict[str, Any]:
    """A webhook as the contract shows one."""
    names = ("id", "dataset_id", "url", "events", "description", "active", "created_by", "created_at")
    return {name: getattr(webhook, name) for name in names}


def render_delivery(delivery: WebhookDelivery) -> dict[str, Any]:
    """A delivery as the contract shows one."""
    shown = {name: getattr(delivery, name) for name in _DELIVERY_FIELDS}
    return {**shown, "state": DeliveryState(delivery.state)}


def _create(dataset_id: UUID | None, body: dict[str, Any]) -> Any:
    made = operations.create(clients().sessions, dataset_id, current_user_id(), **body)
    shown, _, headers = _with_secret(made)
    return shown, 201, {**headers, "Location": url_for("webhooks.OneWebhook", webhook_id=made.id)}


def _with_secret(webhook: Webhook) -> tuple[dict[str, Any], int, dict[str, str]]:
    # Neither a browser nor a proxy is to keep it.
    return {**render(webhook), "secret": webhook.secret}, 200, {"Cache-Control": "no-store"}


def _list(dataset_id: UUID | None, query: dict[str, Any]) -> Any:
    scope = f"webhooks {dataset_id}"
    after = paging.read_cursor(query["cursor"], scope)
    page = operations.listing(clients().sessions, dataset_id, after, query["limit"])
    body, headers = paging.page_body(page, scope, render, None)
    return body, 200, headers


def _accepted(delivery: WebhookDelivery) -> Any:
    place = url_for("webhooks.OneDelivery", webhook_id=delivery.webhook_id, delivery_id=delivery.id)
    return render_delivery(delivery), 202, {"Location": place}
