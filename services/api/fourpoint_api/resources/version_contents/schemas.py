"""Bodies of what versions hold."""

import marshmallow as ma

from fourpoint_api.resources.annotations.schemas import AnnotationSchema
from fourpoint_api.resources.samples.schemas import SampleSchema
from fourpoint_api.web.schemas import Schema, page_schema
from fourpoint_core.domain.versions import FileState


class PinnedFileSchema(Schema):
    """What became of the file that a version pinned."""

    state = ma.fields.Enum(
        FileState,
        by_value=True,
        required=True,
        metadata={"description": "`replaced`: other bytes lie under its key"},
    )
    since = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    deleted_by = ma.fields.UUID(required=True, allow_none=True)


class VersionSampleSchema(Schema):
    """What a version says of an image, with its objects in painting order."""

    sample = ma.fields.Nested(SampleSchema, required=True)
    file = ma.fields.Nested(PinnedFileSchema, required=True)
    annotations = ma.fields.List(ma.fields.Nested(AnnotationSchema), required=True)


class DriftSchema(PinnedFileSchema):
    """An image whose file is not the one that the version pinned."""

    sample_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    object_key = ma.fields.String(required=True)


DriftPageSchema = page_schema(DriftSchema, "DriftPage")
