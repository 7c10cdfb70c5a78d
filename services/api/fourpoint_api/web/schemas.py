"""Schemas that several nouns share."""

from typing import Any

import marshmallow as ma

from fourpoint_api.web.fields import List, Vertices, plain_ring
from fourpoint_api.web.paging import DEFAULT_LIMIT, MAX_LIMIT
from fourpoint_core.domain.geometry import MAX_PARTS


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
    holes = List(Vertices(minimum=3), load_default=list)


class ContourSchema(Schema):
    """An outline in continuous pixels of the upright image, origin top-left."""

    parts = List(ma.fields.Nested(PartSchema), required=True, validate=ma.validate.Length(min=1, max=MAX_PARTS))


class Contour(ma.fields.Nested):
    """An outline; one with nothing wrong passes without a schema for each of its parts."""

    def __init__(self, **kwargs: Any):
        super().__init__(ContourSchema, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, *args: Any, **kwargs: Any) -> Any:
        plain = _plain_contour(value)
        return super()._deserialize(value, attr, data, *args, **kwargs) if plain is None else plain


def _plain_contour(value: Any) -> dict[str, Any] | None:
    """As `ContourSchema` loads it; None where that has something to say."""
    if type(value) is not dict or value.keys() != {"parts"} or type(value["parts"]) is not list:
        return None
    parts = [_plain_part(part) for part in value["parts"]]
    return {"parts": parts} if 1 <= len(parts) <= MAX_PARTS and None not in parts else None


def _plain_part(value: Any) -> dict[str, Any] | None:
    if type(value) is not dict or "outer" not in value or not value.keys() <= {"outer", "holes"}:
        return None
    holes = value.get("holes", [])
    if type(holes) is not list:
        return None
    outer, *inner = map(plain_ring, (value["outer"], *holes))
    return None if outer is None or None in inner else {"outer": outer, "holes": inner}


def page_schema(item: type[Schema], name: str) -> type[Schema]:
    """The schema of a page of `item`."""
    attributes: dict[str, Any] = {
        "items": ma.fields.List(ma.fields.Nested(item), required=True),
        "next_cursor": ma.fields.String(required=True, allow_none=True),
        "total": ma.fields.Integer(),
    }
    return type(name, (Schema,), attributes)
