"""Bodies of pre-labeling."""

from typing import Any

import marshmallow as ma

from fourpoint_api.resources.filters.schemas import SampleFilterSchema
from fourpoint_api.web.fields import List
from fourpoint_api.web.schemas import Schema

MAX_IDS = 10_000


class ImagesSchema(Schema):
    """Which images: by id, or by a filter; `{}` is all of the dataset."""

    ids = List(ma.fields.UUID(), load_default=None, validate=ma.validate.Length(min=1, max=MAX_IDS))
    filter = ma.fields.Nested(SampleFilterSchema, load_default=None, allow_none=True)

    @ma.validates_schema
    def _one_of_both(self, data: dict[str, Any], **kwargs: Any) -> None:
        if (data["ids"] is None) == (data["filter"] is None):
            raise ma.ValidationError("Give either ids or filter; the filter {} means all images.", "filter")
        wanted = data["filter"] or {}
        for name in ("at", "version"):
            if wanted.get(name) is not None:
                raise ma.ValidationError(
                    {name: ["Documents are changed as they are now; leave it out."]}, "filter"
                )


class PreLabelRequestSchema(ImagesSchema):
    """Which images, and which of their objects."""

    edited = ma.fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={"description": "Also draw those again that a person has changed since they were inferred"},
    )


class ReviewRequestSchema(Schema):
    """Which objects of an image; left out: all that wait."""

    annotation_ids = List(ma.fields.UUID(), load_default=None, validate=ma.validate.Length(min=1, max=5000))
