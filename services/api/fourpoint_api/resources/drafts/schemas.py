"""Bodies of drafts."""

import marshmallow as ma

from fourpoint_api.resources.annotations.schemas import TraitsSchema
from fourpoint_api.web.fields import List, Vertices
from fourpoint_api.web.schemas import Schema
from fourpoint_core.domain.annotations import MAX_ANNOTATIONS
from fourpoint_core.domain.geometry import MAX_HOLES, MAX_PARTS


class DraftPartSchema(Schema):
    """A part that may be half drawn."""

    outer = Vertices(required=True)
    holes = List(Vertices(), validate=ma.validate.Length(max=MAX_HOLES))


class DraftContourSchema(Schema):
    """An outline that may be half drawn: nothing about it is checked before it is saved."""

    parts = List(ma.fields.Nested(DraftPartSchema), required=True, validate=ma.validate.Length(max=MAX_PARTS))


class DraftItemSchema(TraitsSchema):
    """One object as it would be saved, as far as it is drawn."""

    id = ma.fields.UUID()
    contour = ma.fields.Nested(DraftContourSchema)
    contour_id = ma.fields.UUID()
    label_id = ma.fields.UUID()
    label = ma.fields.String()


class DraftChangeSchema(Schema):
    """What to keep."""

    annotations = List(
        ma.fields.Nested(DraftItemSchema), required=True, validate=ma.validate.Length(max=MAX_ANNOTATIONS)
    )
    base_revision = ma.fields.Integer(
        strict=True,
        load_default=None,
        validate=ma.validate.Range(min=0, max=2**31 - 1),
        metadata={
            "description": "The revision that you began with; by default that of the last draft, or the current"
        },
    )


class DraftSchema(Schema):
    """What the caller has drawn on an image and not saved."""

    sample_id = ma.fields.UUID(required=True)
    base_revision = ma.fields.Integer(required=True)
    current_revision = ma.fields.Integer(required=True)
    moved_on = ma.fields.Boolean(
        required=True, metadata={"description": "Whether the document was saved since the draft was begun"}
    )
    annotations = ma.fields.List(ma.fields.Dict(), required=True)
    updated_at = ma.fields.AwareDateTime(required=True, format="iso")
