"""Bodies of annotations."""

from typing import Any

import marshmallow as ma

from fourpoint_api.resources.datasets.schemas import LabelSchema
from fourpoint_api.web.schemas import ContourSchema, Schema


class NewAnnotationSchema(Schema):
    """One object: an outline of your own, or a contour that was inferred, under a label."""

    id = ma.fields.UUID(
        load_default=None, metadata={"description": "Yours, so that sending it again changes nothing"}
    )
    contour = ma.fields.Nested(ContourSchema, load_default=None)
    contour_id = ma.fields.UUID(load_default=None)
    label_id = ma.fields.UUID(load_default=None)
    label = ma.fields.String(load_default=None, metadata={"description": "A name; made if it is new"})

    @ma.validates_schema
    def _one_of_each(self, data: dict[str, Any], **kwargs: Any) -> None:
        if (data["label_id"] is None) == (data["label"] is None):
            raise ma.ValidationError("Give either label_id or label.", "label")
        if (data["contour"] is None) == (data["contour_id"] is None):
            raise ma.ValidationError("Give either contour or contour_id.", "contour")


class AnnotationSchema(Schema):
    """One object of the current document."""

    id = ma.fields.UUID(required=True)
    label = ma.fields.Nested(LabelSchema, required=True)
    contour = ma.fields.Nested(ContourSchema, required=True)
    bbox = ma.fields.List(ma.fields.Float(), required=True)
    area = ma.fields.Float(required=True)
    method = ma.fields.String(required=True, validate=ma.validate.OneOf(["polygon", "extreme_points"]))
    prompt = ma.fields.Dict(required=True, allow_none=True)
    contour_id = ma.fields.UUID(required=True, allow_none=True)
    engine = ma.fields.String(required=True, allow_none=True)
    model_digest = ma.fields.String(required=True, allow_none=True)
    score = ma.fields.Float(required=True, allow_none=True)
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")


class DocumentSchema(Schema):
    """All objects of an image, as of a revision."""

    sample_id = ma.fields.UUID(required=True)
    revision = ma.fields.Integer(required=True)
    annotations = ma.fields.List(ma.fields.Nested(AnnotationSchema), required=True)


class DraftSchema(Schema):
    """What the caller has drawn on an image and not saved."""

    sample_id = ma.fields.UUID(required=True)
    base_revision = ma.fields.Integer(required=True)
    annotations = ma.fields.List(ma.fields.Dict(), required=True)
    updated_at = ma.fields.AwareDateTime(required=True, format="iso")
