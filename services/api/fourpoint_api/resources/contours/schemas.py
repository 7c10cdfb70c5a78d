"""Bodies of inference."""

from typing import Any

import marshmallow as ma

from fourpoint_api.resources.contours.operations import MAX_CORRECTIONS
from fourpoint_api.resources.filters.schemas import SortedFilterSchema
from fourpoint_api.web.fields import Box, Points, Vertices
from fourpoint_api.web.schemas import ContourSchema, Schema
from fourpoint_core.jobs.contracts import SaveMode


class PrefetchQuerySchema(SortedFilterSchema):
    """The list that the image was opened from."""

    ahead = ma.fields.Integer(
        load_default=2,
        validate=ma.validate.Range(min=0, max=16),
        metadata={"description": "Of how many of the images that come next in that list, too"},
    )


class ContourRequestSchema(Schema):
    """A prompt: four extreme points or a box, and corrections if you like."""

    points = Points(load_default=None)
    box = Box(load_default=None, metadata={"description": "[x0, y0, x1, y1] in pixels of the upright image"})
    include = Vertices(load_default=list, maximum=MAX_CORRECTIONS)
    # marshmallow has an option of that name; it takes fields off the class before reading options.
    exclude = Vertices(load_default=list, maximum=MAX_CORRECTIONS)  # type: ignore[assignment]
    contour = ma.fields.Nested(
        ContourSchema,
        load_default=None,
        metadata={
            "description": "An earlier outline to start from, beside points or a box; alone, the box around it "
            "is asked for"
        },
    )
    save = ma.fields.Enum(SaveMode, by_value=True, load_default=SaveMode.NONE)
    annotation_id = ma.fields.UUID(
        load_default=None,
        metadata={
            "description": "With points or a box: the id of the annotation to be made. Without: an annotation "
            "that was inferred, to be inferred again from the clicks on its record, with the corrections given"
        },
    )
    label_id = ma.fields.UUID(load_default=None)
    label = ma.fields.String(load_default=None)

    @ma.validates_schema
    def _consistent(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["points"] is not None and data["box"] is not None:
            raise ma.ValidationError("Give either points or box.", "points")
        if data["points"] is None and data["box"] is None and _redraws(data):
            self._must_redraw(data)
            return
        labels = [name for name in ("label_id", "label") if data[name] is not None]
        if len(labels) > 1 or (data["save"] is not SaveMode.NONE and not labels):
            raise ma.ValidationError("To save, give either label_id or label.", "label")
        if labels and data["save"] is SaveMode.NONE:
            raise ma.ValidationError("Nothing is saved: say save=draft or save=document.", labels[0])

    def _must_redraw(self, data: dict[str, Any]) -> None:
        if data["annotation_id"] is None:
            raise ma.ValidationError("Give either points or box.", "points")
        for name in ("label_id", "label"):
            if data[name] is not None:
                raise ma.ValidationError("An annotation that is inferred again keeps its label.", name)


def _redraws(data: dict[str, Any]) -> bool:
    return data["contour"] is None or data["annotation_id"] is not None


class MillisecondsSchema(Schema):
    """Where the time went."""

    queue = ma.fields.Float(required=True)
    image = ma.fields.Float(required=True, metadata={"description": "Fetching and decoding"})
    embedding = ma.fields.Float(
        metadata={"description": "Finding, awaiting or making the image's embedding; engines with weights only"}
    )
    colours = ma.fields.Float(metadata={"description": "Learning the object's colours; `weight-free` only"})
    crop = ma.fields.Float(metadata={"description": "Cutting out what the network sees; `compact` only"})
    network = ma.fields.Float(metadata={"description": "Asking the network; `compact` only"})
    cut = ma.fields.Float(
        metadata={"description": "Moving the outline to the picture's edges; `compact` and `weight-free` only"}
    )
    model = ma.fields.Float(required=True, metadata={"description": "What the engine takes besides these"})
    polygon = ma.fields.Float(required=True)


_SCORE = "How well the outline meets the clicks, times the IoU that the engine expects of it; from 0 to 1"


class InferenceSchema(Schema):
    """The answer to a prompt."""

    contour_id = ma.fields.UUID(required=True)
    sample_id = ma.fields.UUID(required=True)
    contour = ma.fields.Nested(ContourSchema, required=True)
    bbox = ma.fields.List(ma.fields.Float(), required=True)
    area = ma.fields.Float(required=True)
    vertices = ma.fields.Integer(required=True)
    score = ma.fields.Float(required=True, metadata={"description": _SCORE})
    confident = ma.fields.Boolean(required=True, metadata={"description": "False: a person should look twice"})
    engine = ma.fields.String(required=True)
    model_digest = ma.fields.String(required=True)
    prompt = ma.fields.Dict(required=True)
    milliseconds = ma.fields.Nested(MillisecondsSchema, required=True)
    save = ma.fields.String(required=True)
    annotation_id = ma.fields.UUID()
    revision = ma.fields.Integer()
