"""Bodies of people."""

import marshmallow as ma

from fourpoint_api.resources.datasets.schemas import NAME
from fourpoint_api.web.fields import Flag
from fourpoint_api.web.schemas import Schema, page_schema

_SUBJECT = "The `sub` of this person's access tokens, as the identity provider says it"


class NewUserSchema(Schema):
    """A person to be added."""

    name = ma.fields.String(required=True, validate=NAME)
    is_admin = Flag(load_default=False)
    oidc_subject = ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=1, max=255),
        metadata={"description": _SUBJECT},
    )


class UserChangeSchema(Schema):
    """What to change about a person."""

    name = ma.fields.String(validate=NAME)
    is_admin = Flag()
    is_disabled = Flag(metadata={"description": "Nothing that this person holds opens anything"})


class UserSchema(Schema):
    """A person."""

    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    is_admin = ma.fields.Boolean(required=True)
    is_disabled = ma.fields.Boolean(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")


UserPageSchema = page_schema(UserSchema, "UserPage")
