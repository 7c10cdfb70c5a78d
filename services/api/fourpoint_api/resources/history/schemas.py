"""Bodies of history."""

import marshmallow as ma

from fourpoint_api.resources.annotations.schemas import AnnotationSchema
from fourpoint_api.web.paging import DEFAULT_LIMIT, MAX_LIMIT
from fourpoint_api.web.schemas import RevisionSchema, Schema, page_schema

RevisionPageSchema = page_schema(RevisionSchema, "RevisionPage")


class RevisionQuerySchema(Schema):
    """Which part of the list of revisions."""

    limit = ma.fields.Integer(load_default=DEFAULT_LIMIT, validate=ma.validate.Range(min=1, max=MAX_LIMIT))
    cursor = ma.fields.String(load_default=None)


class RevisionDocumentSchema(RevisionSchema):
    """A revision with the objects that it holds."""

    sample_id = ma.fields.UUID(required=True)
    annotations = ma.fields.List(ma.fields.Nested(AnnotationSchema), required=True)


class ChangesQuerySchema(Schema):
    """What a revision is compared with."""

    since = ma.fields.Integer(
        strict=False,
        load_default=None,
        validate=ma.validate.Range(min=0, max=2**31 - 1),
        metadata={"description": "A revision, 0 for the empty document; by default the one before"},
    )


class ChangedAnnotationSchema(Schema):
    """An object that is in both revisions, and not the same."""

    id = ma.fields.UUID(required=True)
    fields_ = ma.fields.List(
        ma.fields.String(),
        required=True,
        data_key="fields",
        metadata={"description": "What differs: label, contour, method, provenance, attributes, ..."},
    )
    before = ma.fields.Nested(AnnotationSchema, required=True)
    after = ma.fields.Nested(AnnotationSchema, required=True)


class DifferenceSchema(Schema):
    """What makes one revision of another."""

    sample_id = ma.fields.UUID(required=True)
    since = ma.fields.Integer(required=True)
    revision = ma.fields.Integer(required=True)
    added = ma.fields.List(ma.fields.Nested(AnnotationSchema), required=True)
    removed = ma.fields.List(ma.fields.Nested(AnnotationSchema), required=True)
    changed = ma.fields.List(ma.fields.Nested(ChangedAnnotationSchema), required=True)
