"""Bodies of labels."""

from typing import Any

import marshmallow as ma

from fourpoint_api.web.fields import Flag
from fourpoint_api.web.schemas import Schema
from fourpoint_core.domain.labels import COLOUR_PATTERN, DeletionPolicy

_COLOUR_HINT = "Give the colour as #RRGGBB."
# Lists and not `And`: the contract shows them. The length too: Python's `$` lets a newline pass.
COLOUR = [
    ma.validate.Regexp(COLOUR_PATTERN, error=_COLOUR_HINT),
    ma.validate.Length(equal=7, error=_COLOUR_HINT),
]
_SHORTCUT = {"description": "The key that chooses the label, unique in the dataset"}
_DRY_RUN = {"description": "Change nothing; say what would change"}


class NewLabelSchema(Schema):
    """A label to be made."""

    name = ma.fields.String(required=True, validate=ma.validate.Length(min=1, max=256))
    colour = ma.fields.String(load_default=None, allow_none=True, validate=COLOUR)
    shortcut = ma.fields.String(load_default=None, allow_none=True, metadata=_SHORTCUT)


class LabelSchema(Schema):
    """What an object is called."""

    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    colour = ma.fields.String(required=True)
    shortcut = ma.fields.String(required=True, allow_none=True, metadata=_SHORTCUT)
    mask_index = ma.fields.Integer(
        required=True, metadata={"description": "Its value in palette masks; never changes, never used again"}
    )


class LabelListSchema(Schema):
    """All labels of a dataset."""

    items = ma.fields.List(ma.fields.Nested(LabelSchema), required=True)


class LabelChangeSchema(Schema):
    """What may be changed; what is left out stays."""

    name = ma.fields.String()
    colour = ma.fields.String(validate=COLOUR)
    shortcut = ma.fields.String(allow_none=True, metadata=_SHORTCUT)

    @ma.validates_schema
    def _something(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ma.ValidationError("Give at least one of name, colour and shortcut.")


class LabelMergeSchema(Schema):
    """Where the objects of a label go."""

    into = ma.fields.UUID(required=True, metadata={"description": "The label that takes its place"})
    dry_run = Flag(load_default=False, metadata=_DRY_RUN)


class LabelDeletionSchema(Schema):
    """How a label is deleted."""

    policy = ma.fields.Enum(
        DeletionPolicy,
        by_value=True,
        load_default=DeletionPolicy.LABEL,
        metadata={
            "description": "`label`: its objects go, the images stay. `samples`: the images that show one go. "
            "`samples_and_source`: their files too."
        },
    )
    dry_run = Flag(load_default=False, metadata=_DRY_RUN)


class LabelUsesSchema(Schema):
    """What a job on a label would change."""

    label_id = ma.fields.UUID(required=True)
    annotations = ma.fields.Integer(required=True, metadata={"description": "Objects of that label"})
    samples = ma.fields.Integer(required=True, metadata={"description": "Images that show at least one"})
