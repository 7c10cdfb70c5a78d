"""Schemas that several nouns share."""

from typing import Any

import marshmallow as ma

from fourpoint_api.web.fields import Vertices
from fourpoint_api.web.paging import DEFAULT_LIMIT, MAX_LIMIT


class Schema(ma.Schema):
    """Base of all bodies: unknown fields are an error."""

    class Meta:
        """See marshmallow."""

        unknown = ma.RAISE


class FieldProblemSchema(Schema):
    """One thing wrong with one place of the request."""

    pointer = ma.fields.String(required=True)
    code = ma.fields.String(required=True)
    detail = ma.fields.String(required=True)


class RevisionSchema(Schema):
    """One save of an annotation document: what was done, by whom and when."""

    number = ma.fields.Integer(required=True)
    action = ma.fields.String(required=True)
    author_id = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    restored_from = ma.fields.Integer(required=True, allow_none=True)


class ChangesSchema(Schema):
    """What happened to an annotation document since the revision that a request was made against."""

    since = ma.fields.Integer(required=True)
    current = ma.fields.Integer(required=True)
    revisions = ma.fields.List(
        ma.fields.Nested(RevisionSchema), required=True, metadata={"description": "The latest, newest first"}
    )
    added = ma.fields.List(ma.fields.UUID(), required=True)
    changed = ma.fields.List(ma.fields.UUID(), required=True)
    removed = ma.fields.List(ma.fields.UUID(), required=True)


class ProblemSchema(Schema):
    """RFC 9457 problem details."""

    type = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    code = ma.fields.String(required=True)
    errors = ma.fields.List(ma.fields.Nested(FieldProblemSchema), required=True)
    request_id = ma.fields.String(allow_none=True)
    current_etag = ma.fields.String()
    changes = ma.fields.Nested(ChangesSchema)
    job_id = ma.fields.UUID()


class PageQuerySchema(Schema):
    """Which part of a list."""

    limit = ma.fields.Integer(load_default=DEFAULT_LIMIT, validate=ma.validate.Range(min=1, max=MAX_LIMIT))
    cursor = ma.fields.String(load_default=None)
    count = ma.fields.String(
        load_default=None,
        validate=ma.validate.OneOf(["exact"]),
        metadata={"description": "Ask for `total`; counting costs time on long lists."},
    )


class UncountedPageQuerySchema(PageQuerySchema):
    """Which part of a list that is not counted."""

    class Meta:
        """See marshmallow."""

        exclude = ("count",)
        unknown = ma.RAISE


class PartSchema(Schema):
    """One outer ring and the holes cut out of it."""

    outer = Vertices(required=True, minimum=3)
    holes = ma.fields.List(Vertices(minimum=3), load_default=list)


class ContourSchema(Schema):
    """An outline in continuous pixels of the upright image, origin top-left."""

    parts = ma.fields.List(
        ma.fields.Nested(PartSchema), required=True, validate=ma.validate.Length(min=1, max=256)
    )


def page_schema(item: type[Schema], name: str) -> type[Schema]:
    """The schema of a page of `item`."""
    attributes: dict[str, Any] = {
        "items": ma.fields.List(ma.fields.Nested(item), required=True),
        "next_cursor": ma.fields.String(required=True, allow_none=True),
        "total": ma.fields.Integer(),
    }
    return type(name, (Schema,), attributes)
