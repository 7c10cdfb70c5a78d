"""Bodies of direct uploads."""

import marshmallow as ma

from fourpoint_api.resources.uploads.operations import FILE_TYPES, MAX_FILES
from fourpoint_api.web.fields import List
from fourpoint_api.web.schemas import Schema


class SlotRequestSchema(Schema):
    """A file to be written."""

    name = ma.fields.String(required=True, validate=ma.validate.Length(min=1, max=1024))
    size_bytes = ma.fields.Integer(required=True, strict=True, validate=ma.validate.Range(min=1))
    content_type = ma.fields.String(required=True, validate=ma.validate.OneOf(FILE_TYPES))


class NewUploadSchema(Schema):
    """The files to be written."""

    files = List(
        ma.fields.Nested(SlotRequestSchema), required=True, validate=ma.validate.Length(min=1, max=MAX_FILES)
    )


class SlotSchema(SlotRequestSchema):
    """Where and how to write a file. The URL is relative where the API itself takes the file."""

    method = ma.fields.String(required=True, validate=ma.validate.Equal("PUT"))
    url = ma.fields.String(required=True)
    headers = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.String(),
        required=True,
        metadata={"description": "Send exactly these; a browser adds Content-Length itself"},
    )


class DirectUploadSchema(Schema):
    """Slots that can be written to until `expires_at`."""

    id = ma.fields.UUID(required=True)
    dataset_id = ma.fields.UUID(required=True)
    expires_at = ma.fields.AwareDateTime(required=True, format="iso")
    registered = ma.fields.Boolean(required=True)
    files = ma.fields.List(ma.fields.Nested(SlotSchema), required=True)
