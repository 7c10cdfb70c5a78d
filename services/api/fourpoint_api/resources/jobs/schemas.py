"""Bodies of jobs."""

import marshmallow as ma

from fourpoint_api.web.schemas import PageQuerySchema, Schema, page_schema
from fourpoint_core.domain.jobs import JobState

STATES = [state.value for state in JobState]


class AttemptSchema(Schema):
    """One try of a job."""

    worker = ma.fields.String(required=True)
    started_at = ma.fields.AwareDateTime(required=True, format="iso")
    ended_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    outcome = ma.fields.String(required=True, allow_none=True)
    reason = ma.fields.String(required=True, allow_none=True)


class JobSchema(Schema):
    """A job."""

    id = ma.fields.UUID(required=True)
    kind = ma.fields.String(required=True)
    queue = ma.fields.String(required=True)
    state = ma.fields.String(required=True, validate=ma.validate.OneOf(STATES))
    dataset_id = ma.fields.UUID(required=True, allow_none=True)
    sample_id = ma.fields.UUID(required=True, allow_none=True)
    progress = ma.fields.Dict(required=True, allow_none=True)
    result = ma.fields.Dict(required=True, allow_none=True)
    error = ma.fields.Dict(required=True, allow_none=True)
    attempts = ma.fields.List(ma.fields.Nested(AttemptSchema), required=True)
    max_attempts = ma.fields.Integer(required=True)
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    started_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    finished_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    deadline_at = ma.fields.AwareDateTime(required=True, format="iso")
    cancel_requested = ma.fields.Boolean(required=True)


class JobQuerySchema(PageQuerySchema):
    """Which jobs."""

    class Meta:
        """Counting jobs is not offered."""

        exclude = ("count",)
        unknown = ma.RAISE

    state = ma.fields.String(load_default=None, validate=ma.validate.OneOf(STATES))
    dataset_id = ma.fields.UUID(load_default=None)


JobPageSchema = page_schema(JobSchema, "JobPage")
