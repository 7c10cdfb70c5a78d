"""Bodies of tokens."""

import marshmallow as ma

from fourpoint_api.resources.datasets.schemas import NAME
from fourpoint_api.web.schemas import Schema, UncountedPageQuerySchema, page_schema
from fourpoint_core.domain.access import Scope

_OF = "Whose; an admin may say another's. Yours, if left out"


class NewTokenSchema(Schema):
    """A token to be made."""

    name = ma.fields.String(
        required=True, validate=NAME, metadata={"description": "What it is for, so that you know it again"}
    )
    scope = ma.fields.Enum(
        Scope,
        by_value=True,
        load_default=Scope.READ,
        metadata={"description": "What it may be used for; each scope includes those before it"},
    )
    expires_in_days = ma.fields.Integer(
        strict=True, load_default=90, validate=ma.validate.Range(min=1, max=36500)
    )
    user_id = ma.fields.UUID(load_default=None, allow_none=True, metadata={"description": _OF})


class TokenSchema(Schema):
    """A token, without its secret."""

    id = ma.fields.UUID(required=True)
    user_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    scope = ma.fields.Enum(Scope, by_value=True, required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    expires_at = ma.fields.AwareDateTime(required=True, format="iso")
    revoked_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    last_used_at = ma.fields.AwareDateTime(
        required=True, allow_none=True, format="iso", metadata={"description": "Exact to some minutes"}
    )


class MadeTokenSchema(TokenSchema):
    """A new token, with its secret."""

    secret = ma.fields.String(required=True, metadata={"description": "Shown this once"})


class TokenQuerySchema(UncountedPageQuerySchema):
    """Which tokens."""

    user_id = ma.fields.UUID(load_default=None, metadata={"description": _OF})


TokenPageSchema = page_schema(TokenSchema, "TokenPage")
