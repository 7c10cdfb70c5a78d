"""Bodies of annotations."""

from typing import Any

import marshmallow as ma

from fourpoint_api.resources.labels.schemas import LabelSchema
from fourpoint_api.web.fields import Box, Flag, List, Vertex
from fourpoint_api.web.schemas import Contour, ContourSchema, Schema
from fourpoint_core.domain.annotations import MAX_ANNOTATIONS, MAX_Z_ORDER
from fourpoint_core.domain.edits import VertexAction

MAX_VERTEX_EDITS = 1000
_GEOMETRY = ("contour", "contour_id", "move", "resize", "vertices", "reset")
_INDEX = ma.validate.Range(min=0, max=1_000_000)


def _flag(description: str, **options: Any) -> Flag:
    return Flag(metadata={"description": description}, **options)


class TraitsSchema(Schema):
    """What is said of an object besides its outline and label; what is left out stays, or has its default."""

    attributes = ma.fields.Dict(
        keys=ma.fields.String(), metadata={"description": "The project's own, at most 8 KiB of JSON"}
    )
    visible = _flag("Whether it is drawn")
    z_order = ma.fields.Integer(
        strict=True,
        validate=ma.validate.Range(min=-MAX_Z_ORDER, max=MAX_Z_ORDER),
        metadata={"description": "Larger is nearer to the viewer"},
    )
    difficult = _flag("Hard to recognise")
    occluded = _flag("Partly hidden by something else")
    truncated = _flag("Cut off by the edge of the image")


class DocumentItemSchema(TraitsSchema):
    """One object of a document: what is left out stays as it is, of an object that is there."""

    id = ma.fields.UUID(
        load_default=None, metadata={"description": "Yours, so that sending it again changes nothing"}
    )
    contour = Contour(load_default=None)
    contour_id = ma.fields.UUID(
        load_default=None,
        metadata={
            "description": "Of an inferred contour: clicks, engine and score come from its record, and the "
            "outline too, unless `contour` says how it was edited since"
        },
    )
    label_id = ma.fields.UUID(load_default=None)
    label = ma.fields.String(load_default=None, metadata={"description": "A name; made if it is new"})

    @ma.validates_schema
    def _one_label(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["label_id"] is not None and data["label"] is not None:
            raise ma.ValidationError("Give either label_id or label.", "label")


class NewAnnotationSchema(DocumentItemSchema):
    """One object: an outline of your own, or a contour that was inferred, under a label."""

    @ma.validates_schema
    def _complete(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["label_id"] is None and data["label"] is None:
            raise ma.ValidationError("Give either label_id or label.", "label")
        if data["contour"] is None and data["contour_id"] is None:
            raise ma.ValidationError("Give contour, contour_id, or both.", "contour")


class DocumentChangeSchema(Schema):
    """The whole document."""

    annotations = List(
        ma.fields.Nested(DocumentItemSchema), required=True, validate=ma.validate.Length(max=MAX_ANNOTATIONS)
    )


class MoveSchema(Schema):
    """Drag the object."""

    dx = ma.fields.Float(required=True, metadata={"description": "Pixels to the right"})
    dy = ma.fields.Float(required=True, metadata={"description": "Pixels down"})


class ResizeSchema(Schema):
    """Stretch the object."""

    box = Box(required=True, metadata={"description": "[x0, y0, x1, y1]: its bounding box afterwards"})


class VertexEditSchema(Schema):
    """One edit of one ring; edits apply one after the other."""

    action = ma.fields.Enum(VertexAction, by_value=True, required=True)
    part = ma.fields.Integer(strict=True, load_default=0, validate=_INDEX)
    ring = ma.fields.Integer(
        strict=True,
        load_default=0,
        validate=_INDEX,
        metadata={"description": "0 is the outer ring of the part, n its n-th hole"},
    )
    index = ma.fields.Integer(
        strict=True,
        required=True,
        validate=_INDEX,
        metadata={"description": "Of the vertex; to insert: the index that the new one gets"},
    )
    to = Vertex(metadata={"description": "Where the vertex goes; not for `remove`"})

    @ma.validates_schema
    def _has_place(self, data: dict[str, Any], **kwargs: Any) -> None:
        if (data["action"] is VertexAction.REMOVE) == ("to" in data):
            raise ma.ValidationError("Give `to` to insert or move a vertex, and only then.", "to")


class AnnotationChangeSchema(TraitsSchema):
    """What changes about one object; of the ways to change its outline, one at a time."""

    label_id = ma.fields.UUID()
    label = ma.fields.String(metadata={"description": "A name; made if it is new"})
    contour = Contour()
    contour_id = ma.fields.UUID()
    move = ma.fields.Nested(MoveSchema)
    resize = ma.fields.Nested(ResizeSchema)
    vertices = List(
        ma.fields.Nested(VertexEditSchema), validate=ma.validate.Length(min=1, max=MAX_VERTEX_EDITS)
    )
    reset = ma.fields.String(
        validate=ma.validate.OneOf(["before_edit", "inferred"]),
        metadata={
            "description": "`before_edit`: the outline before the last change of it; "
            "`inferred`: the one that the engine drew"
        },
    )

    @ma.validates_schema
    def _one_of_each(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ma.ValidationError("Give at least one field to change.")
        if "label_id" in data and "label" in data:
            raise ma.ValidationError("Give either label_id or label.", "label")
        ways = [name for name in _GEOMETRY if name in data]
        if len(ways) > 1 and ways != ["contour", "contour_id"]:
            raise ma.ValidationError("Change the outline in one way at a time.", ways[1])


class AnnotationSchema(Schema):
    """One object of a document."""

    id = ma.fields.UUID(required=True)
    label = ma.fields.Nested(LabelSchema, required=True)
    contour = ma.fields.Nested(ContourSchema, required=True)
    bbox = ma.fields.List(ma.fields.Float(), required=True)
    area = ma.fields.Float(required=True)
    attributes = ma.fields.Dict(required=True)
    visible = ma.fields.Boolean(required=True)
    z_order = ma.fields.Integer(required=True)
    difficult = ma.fields.Boolean(required=True)
    occluded = ma.fields.Boolean(required=True)
    truncated = ma.fields.Boolean(required=True)
    unconfirmed = ma.fields.Boolean(
        required=True,
        metadata={"description": "A batch has drawn the outline, and nobody has confirmed or changed it yet"},
    )
    method = ma.fields.String(required=True, validate=ma.validate.OneOf(["polygon", "extreme_points"]))
    prompt = ma.fields.Dict(required=True, allow_none=True)
    contour_id = ma.fields.UUID(required=True, allow_none=True)
    engine = ma.fields.String(required=True, allow_none=True)
    model_digest = ma.fields.String(required=True, allow_none=True)
    score = ma.fields.Float(required=True, allow_none=True)
    confident = ma.fields.Boolean(
        required=True,
        allow_none=True,
        metadata={
            "description": "While `unconfirmed`: false where the engine is not sure of the outline, and a "
            "person should look twice; null of an object that does not wait for anybody"
        },
    )
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    edited_by = ma.fields.UUID(required=True, allow_none=True)
    edited_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")


class DocumentSchema(Schema):
    """All objects of an image, in painting order, as of a revision."""

    sample_id = ma.fields.UUID(required=True)
    revision = ma.fields.Integer(required=True)
    undo_to = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "The revision that undo leads back to"}
    )
    redo_to = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "The revision that redo leads back to"}
    )
    annotations = ma.fields.List(ma.fields.Nested(AnnotationSchema), required=True)
