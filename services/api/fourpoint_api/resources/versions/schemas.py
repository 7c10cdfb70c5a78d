"""Bodies of versions."""

import marshmallow as ma

from fourpoint_api.resources.filters.schemas import LabelCountSchema
from fourpoint_api.resources.labels.schemas import LabelSchema
from fourpoint_api.web.fields import Flag
from fourpoint_api.web.paging import DEFAULT_LIMIT, MAX_LIMIT
from fourpoint_api.web.schemas import Schema, UncountedPageQuerySchema, page_schema
from fourpoint_core.domain.versions import NAME_PATTERN, Change, VersionState

DESCRIPTION = ma.validate.Length(max=4000)


class NewVersionSchema(Schema):
    """A version to be published."""

    name = ma.fields.String(
        load_default=None,
        allow_none=True,
        metadata={"pattern": NAME_PATTERN, "description": "By default V001, V002 and so on"},
    )
    description = ma.fields.String(load_default="", validate=DESCRIPTION)
    write_output = Flag(
        load_default=False,
        metadata={"description": "Then also write it below the dataset's output path, as ModelArts does"},
    )


class VersionChangeSchema(Schema):
    """What may be changed of a version: nothing that it holds, and not its name."""

    description = ma.fields.String(required=True, validate=DESCRIPTION)


class VersionSchema(Schema):
    """A published state of a dataset."""

    id = ma.fields.UUID(required=True)
    dataset_id = ma.fields.UUID(required=True)
    number = ma.fields.Integer(required=True, metadata={"description": "Counts up in the order of publication"})
    name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    state = ma.fields.Enum(VersionState, by_value=True, required=True)
    is_current = ma.fields.Boolean(required=True)
    samples = ma.fields.Integer(required=True, allow_none=True)
    labeled = ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "Images with an object"}
    )
    annotations = ma.fields.Integer(required=True, allow_none=True)
    parent_id = ma.fields.UUID(
        required=True, allow_none=True, metadata={"description": "The version that was current before"}
    )
    job_id = ma.fields.UUID(required=True, allow_none=True, metadata={"description": "Who publishes it"})
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    published_at = ma.fields.AwareDateTime(
        required=True,
        allow_none=True,
        format="iso",
        metadata={"description": "The moment that all it holds is of"},
    )
    deleted_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")


class VersionDetailSchema(VersionSchema):
    """A version with its labels as they were called, and how often each was used."""

    labels = ma.fields.List(ma.fields.Nested(LabelCountSchema), required=True)


VersionPageSchema = page_schema(VersionSchema, "VersionPage")


class VersionQuerySchema(UncountedPageQuerySchema):
    """Which versions."""

    deleted = Flag(load_default=False, metadata={"description": "Those that were deleted and can be restored"})


class SwitchQuerySchema(Schema):
    """Whether to do it."""

    dry_run = Flag(load_default=False, metadata={"description": "Count, and do nothing"})


class SwitchForecastSchema(Schema):
    """What making a version current would do."""

    version_id = ma.fields.UUID(required=True)
    publishes_first = ma.fields.Boolean(
        required=True, metadata={"description": "Unsaved differences would become a version first"}
    )
    samples_restored = ma.fields.Integer(required=True, metadata={"description": "Get another document"})
    samples_brought_back = ma.fields.Integer(required=True, metadata={"description": "Come back as they are"})
    samples_set_aside = ma.fields.Integer(required=True, metadata={"description": "Are not in the version"})
    samples_unchanged = ma.fields.Integer(required=True)
    samples_gone = ma.fields.Integer(
        required=True, metadata={"description": "In the version, and deleted for good"}
    )
    samples_missing = ma.fields.Integer(
        required=True, metadata={"description": "Their files are missing; they stay as they are"}
    )
    samples_resized = ma.fields.Integer(
        required=True,
        metadata={"description": "Their files have another size than was drawn on; they stay as they are"},
    )
    labels_changed = ma.fields.Integer(required=True)


class ComparisonQuerySchema(Schema):
    """With what to compare, and which part of it."""

    since = ma.fields.UUID(
        load_default=None,
        metadata={"description": "A version; by default the one before, or the current one"},
    )
    change = ma.fields.Enum(
        Change, by_value=True, load_default=None, metadata={"description": "Only these images"}
    )
    limit = ma.fields.Integer(load_default=DEFAULT_LIMIT, validate=ma.validate.Range(min=1, max=MAX_LIMIT))
    cursor = ma.fields.String(load_default=None)
    count = ma.fields.String(
        load_default=None,
        validate=ma.validate.OneOf(["exact"]),
        metadata={"description": "Ask for `counts`; counting costs time where much has changed"},
    )


class ChangeCountsSchema(Schema):
    """How many of each kind."""

    added = ma.fields.Integer(required=True)
    changed = ma.fields.Integer(required=True)
    removed = ma.fields.Integer(required=True)


class SampleChangeSchema(Schema):
    """An image that differs."""

    sample_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    change = ma.fields.Enum(Change, by_value=True, required=True)
    revision_before = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "For `compareRevisions`; null: it is not there"},
    )
    revision_after = ma.fields.Integer(required=True, allow_none=True)
    other_file = ma.fields.Boolean(required=True, metadata={"description": "Its file has other bytes"})
    moved = ma.fields.Boolean(required=True, metadata={"description": "It has another name or key"})
    annotations = ma.fields.Nested(ChangeCountsSchema, required=True)


class LabelDifferenceSchema(Schema):
    """A label that differs; null on the side where it is not there."""

    before = ma.fields.Nested(LabelSchema, required=True, allow_none=True)
    after = ma.fields.Nested(LabelSchema, required=True, allow_none=True)


class AllChangeCountsSchema(Schema):
    """Counts of all changes, whatever the page shows."""

    samples = ma.fields.Nested(ChangeCountsSchema, required=True)
    annotations = ma.fields.Nested(ChangeCountsSchema, required=True)


class ComparisonSchema(Schema):
    """What makes one state of a dataset of another."""

    since = ma.fields.UUID(required=True, allow_none=True, metadata={"description": "null: nothing at all"})
    version = ma.fields.UUID(
        required=True, allow_none=True, metadata={"description": "null: the working state"}
    )
    labels = ma.fields.List(ma.fields.Nested(LabelDifferenceSchema), required=True)
    items = ma.fields.List(ma.fields.Nested(SampleChangeSchema), required=True)
    next_cursor = ma.fields.String(required=True, allow_none=True)
    counts = ma.fields.Nested(AllChangeCountsSchema)
