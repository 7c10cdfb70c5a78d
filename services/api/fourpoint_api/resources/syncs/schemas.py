"""Bodies of synchronisations."""

import marshmallow as ma

from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.web.fields import List
from fourpoint_api.web.schemas import Schema, UncountedPageQuerySchema, page_schema
from fourpoint_core.domain.reconcile import Outcome
from fourpoint_core.jobs.payloads.syncs import Cause, Phase

_MEANINGS = {
    "listed": "Objects in the bucket",
    "added": "New images",
    "updated": "Images whose file holds other bytes now",
    "renamed": "Images whose file has another key now",
    "missing": "Images whose file was there the last time and is not now",
    "returned": "Images whose file is there again",
    "labels_read": "Files of labels that became annotations",
    "labels_kept": "Files of labels that are gone; what they said stays",
    "unmatched": "Files of labels without an image",
    "conflict": "Files of labels that say something else than what was edited here, which counts",
    "failed": "Files that could not be taken",
    "unchanged": "Files as they were the last time",
    "still_missing": "Images that were missing before",
    "left_alone": "Files of images that were deleted here",
    "ignored": "Other files",
}


class SyncRequestSchema(Schema):
    """How to synchronise."""

    dry_run = ma.fields.Boolean(
        load_default=False, metadata={"description": "Only list, and report what would happen"}
    )


SyncCountsSchema = type(
    "SyncCounts",
    (Schema,),
    {
        "__doc__": "What a synchronisation found, in numbers.",
        **{
            name: ma.fields.Integer(required=True, metadata={"description": meaning})
            for name, meaning in _MEANINGS.items()
        },
    },
)


class SyncSchema(Schema):
    """A synchronisation: how far it is, and what it has found. counts: null until it has ended."""

    job = ma.fields.Nested(JobSchema, required=True)
    cause = ma.fields.Enum(Cause, by_value=True, required=True)
    dry_run = ma.fields.Boolean(required=True)
    phase = ma.fields.Enum(Phase, by_value=True, required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    finished_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    counts = ma.fields.Nested(SyncCountsSchema, required=True, allow_none=True)


class ReportQuerySchema(UncountedPageQuerySchema):
    """Which synchronisation, which lines of its report."""

    job_id = ma.fields.UUID(load_default=None, metadata={"description": "By default, of the last one"})
    outcome = ma.fields.Enum(Outcome, by_value=True, load_default=None)


class DetailSchema(Schema):
    """What is worth knowing about a line. line: in a file of labels, from 1."""

    code = ma.fields.String(required=True)
    detail = ma.fields.String(required=True, allow_none=True)
    line = ma.fields.Integer(required=True, allow_none=True)
    revision = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The revision that took out what was drawn in another size"},
    )
    notes = ma.fields.List(
        ma.fields.Dict(), required=True, metadata={"description": "What was taken, though not as the file says"}
    )


class ReportLineSchema(Schema):
    """What happened to one file."""

    object_key = ma.fields.String(required=True)
    outcome = ma.fields.Enum(Outcome, by_value=True, required=True)
    sample_id = ma.fields.UUID(required=True, allow_none=True)
    previous_key = ma.fields.String(required=True, allow_none=True)
    detail = ma.fields.Nested(DetailSchema, required=True, allow_none=True)


class ForgottenObjectSchema(Schema):
    """A file whose image was deleted without it."""

    object_key = ma.fields.String(required=True)
    forgotten_at = ma.fields.AwareDateTime(required=True, format="iso")


class ForgottenRequestSchema(Schema):
    """Which files may come back. Give keys, or `all`."""

    object_keys = List(ma.fields.String(), load_default=list, validate=ma.validate.Length(max=1000))
    all = ma.fields.Boolean(load_default=False)


class ForgottenAnswerSchema(Schema):
    """How many files may come back with the next synchronisation."""

    objects = ma.fields.Integer(required=True)


ReportPageSchema = page_schema(ReportLineSchema, "SyncReportPage")
ForgottenPageSchema = page_schema(ForgottenObjectSchema, "ForgottenObjectPage")
