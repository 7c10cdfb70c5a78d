"""Jobs as the contract shows them, and the answer of whoever started one."""

from collections.abc import Sequence
from typing import Any

from flask import Response, json, url_for

from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_core.store.models import Job, JobAttempt

_schema = JobSchema()


def render(job: Job, attempts: Sequence[JobAttempt] = ()) -> dict[str, Any]:
    """The document of a job."""
    return {
        "id": job.id,
        "kind": job.kind,
        "queue": job.queue,
        "state": job.state,
        "dataset_id": job.dataset_id,
        "sample_id": job.sample_id,
        "progress": job.progress,
        "result": job.result,
        "error": job.error,
        "attempts": [_render_attempt(attempt) for attempt in attempts],
        "max_attempts": job.max_attempts,
        "created_by": job.created_by,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "deadline_at": job.deadline_at,
        "cancel_requested": job.cancel_requested_at is not None,
    }


def as_json(job: Job, attempts: Sequence[JobAttempt] = ()) -> str:
    """The document's text."""
    return json.dumps(_schema.dump(render(job, attempts)))


def accepted(job: Job) -> Response:
    """202: the work goes on, and here is where to follow it."""
    response = Response(as_json(job), 202, mimetype="application/json")
    response.headers["Location"] = url_for("jobs.OneJob", job_id=job.id)
    return response


def _render_attempt(attempt: JobAttempt) -> dict[str, Any]:
    return {
        "worker": attempt.worker,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
    }
