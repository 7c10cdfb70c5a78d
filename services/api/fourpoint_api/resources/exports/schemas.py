"""Bodies of exports."""

from typing import Any

import marshmallow as ma

from fourpoint_api.resources.filters.schemas import SampleFilterSchema
from fourpoint_api.web.fields import List
from fourpoint_api.web.schemas import PageQuerySchema, Schema, page_schema
from fourpoint_core.domain.transfers import FormatName

MAX_IDS = 10_000


class RatiosSchema(Schema):
    """Shares that add up to 1."""

    train = ma.fields.Float(load_default=0.0, validate=ma.validate.Range(0, 1))
    val = ma.fields.Float(load_default=0.0, validate=ma.validate.Range(0, 1))
    test = ma.fields.Float(load_default=0.0, validate=ma.validate.Range(0, 1))


class SplitSchema(Schema):
    """How images are dealt out to train, val and test: by ratios, or by an attribute of their objects."""

    ratios = ma.fields.Nested(RatiosSchema, load_default=None, allow_none=True)
    seed = ma.fields.Integer(
        load_default=0,
        strict=True,
        validate=ma.validate.Range(0, 2**31 - 1),
        metadata={"description": "The same seed deals out the same images in the same way"},
    )
    attribute = ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=1, max=256),
        metadata={"description": "Whose value is `train`, `val` or `test`; images without one are in train"},
    )


def format_field() -> ma.fields.Enum[Any]:
    """The name of a format."""
    return ma.fields.Enum(FormatName, by_value=True, required=True)


class ExportRequestSchema(Schema):
    """What to export, and how. Without `filter` and `ids`: everything, as it is now."""

    format = format_field()
    filter = ma.fields.Nested(SampleFilterSchema, load_default=None, allow_none=True)
    version = ma.fields.UUID(
        load_default=None, allow_none=True, metadata={"description": "Of this published version"}
    )
    ids = List(
        ma.fields.UUID(),
        load_default=list,
        validate=ma.validate.Length(max=MAX_IDS),
        metadata={"description": "Only these images"},
    )
    with_images = ma.fields.Boolean(load_default=False)
    split = ma.fields.Nested(SplitSchema, load_default=None, allow_none=True)
    output_path = ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(min=2, max=700),
        metadata={
            "description": "A path of the bucket, with a slash at its end, below which the files go; "
            "left out, they go into one archive to be downloaded"
        },
    )


class DownloadSchema(Schema):
    """Where an archive can be had, in parts too (`Range`), with no other token than the address itself."""

    url = ma.fields.String(required=True)
    expires_at = ma.fields.AwareDateTime(required=True, format="iso")


class ExportSchema(Schema):
    """A finished export. `report.conversions` counts what the format could not say as it was."""

    id = ma.fields.UUID(required=True)
    dataset_id = ma.fields.UUID(required=True)
    format = format_field()
    order = ma.fields.Dict(required=True)
    path = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Where its files lie in the bucket; null for an archive"},
    )
    download = ma.fields.Nested(DownloadSchema, required=True, allow_none=True)
    size_bytes = ma.fields.Integer(required=True)
    files = ma.fields.Integer(required=True)
    report = ma.fields.Dict(required=True)
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    expires_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")


class ExportQuerySchema(PageQuerySchema):
    """Which part of the list."""

    class Meta:
        """Counting exports is not offered."""

        exclude = ("count",)
        unknown = ma.RAISE


ExportPageSchema = page_schema(ExportSchema, "ExportPage")
