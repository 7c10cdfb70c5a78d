"""Bodies of webhooks."""

from typing import Any

import marshmallow as ma

from fourpoint_api.web.fields import List
from fourpoint_api.web.schemas import Schema, UncountedPageQuerySchema, page_schema
from fourpoint_core.domain.webhooks import MAX_URL_LENGTH, SUBSCRIBABLE, DeliveryState, Event

_URL = "Where to POST to, https:// or http://; it must lead to the public internet, or where an operator allows"
_EVENTS = ma.validate.And(
    ma.validate.Length(min=1, error="Name at least one event."),
    ma.validate.ContainsOnly(SUBSCRIBABLE, error=f"Choose from {', '.join(SUBSCRIBABLE)}."),
)


def _url(**options: Any) -> ma.fields.String:
    length = ma.validate.Length(min=1, max=MAX_URL_LENGTH)
    return ma.fields.String(validate=length, metadata={"description": _URL}, **options)


def _events(**options: Any) -> List:
    word = ma.fields.Enum(Event, by_value=True)
    return List(word, validate=_EVENTS, **options)


class NewWebhookSchema(Schema):
    """A webhook to be made."""

    url = _url(required=True)
    events = _events(load_default=list(SUBSCRIBABLE))
    description = ma.fields.String(load_default="", validate=ma.validate.Length(max=256))


class WebhookChangeSchema(Schema):
    """What to change about a webhook."""

    url = _url()
    events = _events()
    description = ma.fields.String(validate=ma.validate.Length(max=256))
    active = ma.fields.Boolean(
        metadata={"description": "Nothing is told to an inactive one, and what is still to be delivered waits"}
    )


class WebhookSchema(Schema):
    """A webhook, without its secret."""

    id = ma.fields.UUID(required=True)
    dataset_id = ma.fields.UUID(
        required=True, allow_none=True, metadata={"description": "null: of all datasets"}
    )
    url = ma.fields.String(required=True)
    events = ma.fields.List(ma.fields.String(), required=True)
    description = ma.fields.String(required=True)
    active = ma.fields.Boolean(required=True)
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")


class MadeWebhookSchema(WebhookSchema):
    """A webhook with a new secret."""

    secret = ma.fields.String(
        required=True, metadata={"description": "Key of the HMAC-SHA256 in `X-Signature-256`; shown this once"}
    )


class DeliverySchema(Schema):
    """One event on its way to a webhook."""

    id = ma.fields.UUID(required=True)
    event_id = ma.fields.UUID(
        required=True, metadata={"description": "The same when an event is sent again: know it by this"}
    )
    event = ma.fields.String(required=True)
    body = ma.fields.Dict(required=True, metadata={"description": "What is sent"})
    state = ma.fields.Enum(DeliveryState, by_value=True, required=True)
    attempts = ma.fields.Integer(required=True)
    next_attempt_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    status_code = ma.fields.Integer(required=True, allow_none=True)
    error = ma.fields.String(required=True, allow_none=True)
    response = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The first 1024 bytes of the last answer"}
    )
    milliseconds = ma.fields.Integer(required=True, allow_none=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    ended_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")


class DeliveryQuerySchema(UncountedPageQuerySchema):
    """Which deliveries."""

    state = ma.fields.Enum(DeliveryState, by_value=True, load_default=None)


WebhookPageSchema = page_schema(WebhookSchema, "WebhookPage")
DeliveryPageSchema = page_schema(DeliverySchema, "DeliveryPage")
