"""Bodies of imports."""

import marshmallow as ma

from fourpoint_api.resources.exports.schemas import format_field
from fourpoint_api.web.fields import Mapping
from fourpoint_api.web.schemas import PageQuerySchema, Schema
from fourpoint_core.domain.transfers import Existing

OUTCOMES = ("refused", "converted", "left_out")
MAX_LABELS = 10_000


class ImportRequestSchema(Schema):
    """What to import, from where, and how: from a path of the bucket, or from an upload."""

    format = format_field()
    path = ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=1, max=1024),
        metadata={
            "description": "Of the bucket: a folder (with a slash at its end), or one file, such as a manifest "
            "or a `.zip`"
        },
    )
    upload_id = ma.fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={"description": "Of `createUpload`, with one file: an archive, or annotations alone"},
    )
    labels = Mapping(
        keys=ma.fields.String(validate=ma.validate.Length(max=256)),
        values=ma.fields.String(validate=ma.validate.Length(max=256)),
        load_default=dict,
        validate=ma.validate.Length(max=MAX_LABELS),
        metadata={"description": "Names of the file to names of the dataset; an empty one leaves objects out"},
    )
    existing = ma.fields.Enum(
        Existing,
        by_value=True,
        load_default=Existing.MERGE,
        metadata={"description": "What becomes of the objects of images that are labeled already"},
    )
    with_images = ma.fields.Boolean(
        load_default=True, metadata={"description": "Add images that the dataset lacks"}
    )
    dry_run = ma.fields.Boolean(load_default=False, metadata={"description": "Say what would be, do nothing"})


class ImportQuerySchema(PageQuerySchema):
    """Which part of the list."""

    class Meta:
        """Counting imports is not offered."""

        exclude = ("count",)
        unknown = ma.RAISE


class ImportLineQuerySchema(ImportQuerySchema):
    """Which lines."""

    outcome = ma.fields.String(load_default=None, validate=ma.validate.OneOf(OUTCOMES))


class ImportLineSchema(Schema):
    """What an import has to say of one place. `place`: the file; `line`: of it; `name`: of the image."""

    position = ma.fields.Integer(required=True)
    outcome = ma.fields.String(required=True, validate=ma.validate.OneOf(OUTCOMES))
    code = ma.fields.String(required=True)
    detail = ma.fields.String(required=True)
    place = ma.fields.String(required=True)
    line = ma.fields.Integer(required=True, allow_none=True)
    name = ma.fields.String(required=True, allow_none=True)


class ImportLinePageSchema(Schema):
    """A page of lines."""

    items = ma.fields.List(ma.fields.Nested(ImportLineSchema), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)


class ImportedBoxSchema(Schema):
    """A box without an outline, as a prompt that `inferContour` takes."""

    id = ma.fields.UUID(required=True)
    label_id = ma.fields.UUID(required=True)
    label = ma.fields.String(required=True)
    prompt = ma.fields.Dict(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")


class ImportedBoxListSchema(Schema):
    """The boxes of an image."""

    items = ma.fields.List(ma.fields.Nested(ImportedBoxSchema), required=True)
