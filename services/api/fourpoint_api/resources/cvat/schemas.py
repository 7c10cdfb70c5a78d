"""Bodies of CVAT's protocol."""

import marshmallow as ma

from fourpoint_api.resources.label_studio.schemas import TolerantSchema
from fourpoint_api.web.fields import List, Vertices

MAX_POINTS = 64


class CvatInvocationSchema(TolerantSchema):
    """A frame, and where a person has clicked on it; pixels, origin top-left."""

    image = ma.fields.String(required=True, metadata={"description": "A JPEG or PNG, in base64"})
    pos_points = Vertices(load_default=list, maximum=MAX_POINTS)
    neg_points = Vertices(load_default=list, maximum=MAX_POINTS)
    obj_bbox = List(
        List(ma.fields.Float(), validate=ma.validate.Length(equal=2)),
        load_default=None,
        allow_none=True,
        validate=ma.validate.Length(equal=2),
        metadata={"description": "Two corners of a box around the object"},
    )
