"""What callers learn about themselves."""

import marshmallow as ma

from fourpoint_api.web.schemas import Schema
from fourpoint_core.domain.access import Scope


class MeSchema(Schema):
    """Who sends this request, and what the token is good for."""

    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    is_admin = ma.fields.Boolean(required=True)
    scope = ma.fields.Enum(Scope, by_value=True, required=True)
    token_id = ma.fields.UUID(required=True, allow_none=True)
    token_expires_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
