"""Bodies about the object store."""

import marshmallow as ma

from fourpoint_api.web.schemas import Schema
from fourpoint_core.storage.probing import Permission


class StorageTestRequestSchema(Schema):
    """Where to try."""

    path = ma.fields.String(
        required=True,
        validate=ma.validate.Length(min=1, max=700),
        metadata={"description": "A key prefix, or `obs://bucket/prefix/`"},
    )


class PermissionSchema(Schema):
    """One permission, and what the store said where it is missing; granted is null where it cannot be tried."""

    permission = ma.fields.Enum(Permission, by_value=True, required=True)
    granted = ma.fields.Boolean(required=True, allow_none=True)
    detail = ma.fields.String(required=True, allow_none=True)


class StorageTestSchema(Schema):
    """What may be done below a path."""

    path = ma.fields.String(required=True)
    as_input = ma.fields.Boolean(
        required=True, metadata={"description": "Whether it is enough to label what lies there, and to upload"}
    )
    as_output = ma.fields.Boolean(
        required=True, metadata={"description": "Whether it is enough to write results there"}
    )
    permissions = ma.fields.List(ma.fields.Nested(PermissionSchema), required=True)


class StorageEventSchema(Schema):
    """An event of S3, as MinIO, OBS and others send it, or a notification service's letter with one inside."""

    class Meta:
        """See marshmallow."""

        unknown = ma.INCLUDE

    Records = ma.fields.List(ma.fields.Dict(), metadata={"description": "With `s3.object.key` in each"})


class StorageEventsAnswerSchema(Schema):
    """How many datasets are about to be synchronised."""

    datasets = ma.fields.Integer(required=True)
