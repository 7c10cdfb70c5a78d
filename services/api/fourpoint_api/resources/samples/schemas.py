"""Bodies of samples."""

import marshmallow as ma

from fourpoint_api.web.schemas import PageQuerySchema, Schema, page_schema
from fourpoint_core.store.queries.samples import Status

THUMBNAIL_SIZES = (128, 256, 512)


class SampleSchema(Schema):
    """One image; width and height are those of the upright image."""

    id = ma.fields.UUID(required=True)
    dataset_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    object_key = ma.fields.String(required=True)
    digest = ma.fields.String(required=True, metadata={"description": "SHA-256 of the file, hex"})
    media_type = ma.fields.String(required=True)
    size_bytes = ma.fields.Integer(required=True)
    width = ma.fields.Integer(required=True)
    height = ma.fields.Integer(required=True)
    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["labeled", "unlabeled"]))
    annotation_count = ma.fields.Integer(required=True)
    revision = ma.fields.Integer(required=True)
    labeled_by = ma.fields.UUID(required=True, allow_none=True)
    labeled_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")


class SampleQuerySchema(PageQuerySchema):
    """Which samples."""

    status = ma.fields.Enum(Status, by_value=True, load_default=Status.ALL)


class UploadedSampleSchema(SampleSchema):
    """A new sample, and what its file was called."""

    original_name = ma.fields.String(required=True)


class UploadSchema(Schema):
    """What an upload stored."""

    items = ma.fields.List(ma.fields.Nested(UploadedSampleSchema), required=True)


class ThumbnailQuerySchema(Schema):
    """How large a thumbnail."""

    size = ma.fields.Integer(
        load_default=256,
        validate=ma.validate.OneOf(THUMBNAIL_SIZES),
        metadata={"description": "Longest side in pixels"},
    )


SamplePageSchema = page_schema(SampleSchema, "SamplePage")
