"""Bodies of the audit log."""

from collections.abc import Callable
from typing import Any

import marshmallow as ma

from fourpoint_api.web.fields import Moment
from fourpoint_api.web.schemas import Schema, UncountedPageQuerySchema, page_schema
from fourpoint_api.web.texts import storable
from fourpoint_core.actors import Via
from fourpoint_core.auditing import Format

_ACTION = "The kind of resource, a dot and what happened to it: `dataset.deleted`"


def _text(description: str) -> ma.fields.String:
    rules: list[Callable[[str], Any]] = [ma.validate.Length(max=256), storable]
    return ma.fields.String(load_default=None, validate=rules, metadata={"description": description})


class AuditEntrySchema(Schema):
    """Who did what to which resource."""

    id = ma.fields.Integer(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    actor_id = ma.fields.UUID(required=True, allow_none=True, metadata={"description": "null: no user"})
    actor_name = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "As it was then; of an operator, the account"}
    )
    token_id = ma.fields.UUID(required=True, allow_none=True)
    via = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf([via.value for via in Via]),
        metadata={"description": "`worker`: a job in the actor's name; `database`: past this service"},
    )
    address = ma.fields.String(required=True, allow_none=True)
    request_id = ma.fields.String(required=True, allow_none=True)
    job_id = ma.fields.UUID(required=True, allow_none=True)
    action = ma.fields.String(required=True, metadata={"description": _ACTION})
    resource_kind = ma.fields.String(required=True)
    resource_id = ma.fields.String(required=True, allow_none=True)
    dataset_id = ma.fields.UUID(required=True, allow_none=True)
    changes = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        metadata={"description": "`from` and `to` of each field that changed; else what is worth knowing"},
    )
    database_role = ma.fields.String(required=True)


class AuditFilterSchema(Schema):
    """Which entries; all that is given has to hold."""

    actor_id = ma.fields.UUID(load_default=None)
    action = _text(_ACTION)
    kind = _text("The kind of resource: `dataset`")
    resource_id = _text("The resource's id")
    dataset_id = ma.fields.UUID(load_default=None)
    since = Moment(load_default=None, metadata={"description": "From this moment on"})
    until = Moment(load_default=None, metadata={"description": "Before this moment"})


class AuditQuerySchema(UncountedPageQuerySchema, AuditFilterSchema):
    """Which entries, and which part of them."""


class AuditExportQuerySchema(AuditFilterSchema):
    """Which entries, and how they are to be written."""

    format = ma.fields.Enum(Format, by_value=True, load_default=Format.NDJSON)


AuditPageSchema = page_schema(AuditEntrySchema, "AuditPageSchema")
