"""Bodies of members."""

import marshmallow as ma

from fourpoint_api.web.schemas import Schema
from fourpoint_core.domain.access import Role


class MemberRoleSchema(Schema):
    """What somebody is to be."""

    role = ma.fields.Enum(Role, by_value=True, required=True)


class MemberSchema(Schema):
    """A person in a dataset."""

    user_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    role = ma.fields.Enum(Role, by_value=True, required=True)
    since = ma.fields.AwareDateTime(required=True, format="iso")


class MemberListSchema(Schema):
    """All members of a dataset."""

    items = ma.fields.List(ma.fields.Nested(MemberSchema), required=True)
