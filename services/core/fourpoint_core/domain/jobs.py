"""The life of a job: its states, and who may move it from one to the next.

A job is a row. A worker owns it under a lease with a number that grows with every claim; a result
counts only under the number it was claimed with, so a worker that was thought dead changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job will not change any more, unless somebody retries it."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


class AttemptOutcome(StrEnum):
    """How one try of a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY = "retry"
    CANCELLED = "cancelled"
    LEASE_EXPIRED = "lease_expired"
    OVERRUN = "overrun"


class Verdict(StrEnum):
    """What to do with a job that a worker or the sweep has in hand."""

    RUN = "run"
    LEAVE = "leave"
    CANCEL = "cancel"
    EXPIRE = "expire"
    EXHAUST = "exhaust"


@dataclass(frozen=True, slots=True)
class JobSituation:
    """The facts of a job's row that decide its fate; all times from the database's clock."""

    state: JobState
    attempts: int
    max_attempts: int
    lease_expires_at: datetime | None
    deadline_at: datetime
    run_after: datetime | None
    cancel_requested: bool


def judge(job: JobSituation, now: datetime) -> Verdict:
    """What may happen to the job at `now`.

    A running job under a live lease is its owner's. Anything else that is not final is free: to be run,
    or to be ended because it was cancelled, its deadline has passed, or its tries are used up.
    """
    if job.state.is_final or _is_owned(job, now):
        return Verdict.LEAVE
    if job.cancel_requested:
        return Verdict.CANCEL
    if job.deadline_at <= now:
        return Verdict.EXPIRE
    if job.attempts >= job.max_attempts:
        return Verdict.EXHAUST
    must_wait = job.run_after is not None and job.run_after > now
    return Verdict.LEAVE if must_wait else Verdict.RUN


def _is_owned(job: JobSituation, now: datetime) -> bool:
    leased = job.lease_expires_at is not None and job.lease_expires_at > now
    return job.state is JobState.RUNNING and leased


def retry_pause(attempts: int) -> timedelta:
    """How long to wait before the next try: 1, 2, 4 ... seconds, at most a minute."""
    return timedelta(seconds=min(60, 2 ** max(0, attempts - 1)))
