"""Jobs, their attempts, and the processes that run them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class Job(Base):
    """A piece of background work; the row is the outbox of its own message.

    lease_number grows with every claim; a result counts only under the number it was claimed with.
    dispatched_at: when its message was last handed over to be published; NULL where that failed, or where
    the job is to be tried again, and the sweep sees to it.
    traceparent: the span that asked for it, in the form of W3C; NULL where nothing is traced.
    run_after: not before this time, after a try that failed; else when it had a turn or was asked for again.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", "state"),
        Index("ix_jobs_created_at_id", "created_at", "id"),
        # What the sweep looks at: as short as the work in hand, however long the history.
        Index("ix_jobs_open", "state", "created_at", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_jobs_dataset_id", "dataset_id", "created_at", "id"),
        Index("ix_jobs_created_by", "created_by", "created_at", "id"),
        # One at a time: two would each see half of what the other does.
        Index(
            "uq_jobs_syncing",
            "dataset_id",
            unique=True,
            postgresql_where=text("kind = 'sync_dataset' AND state IN ('queued', 'running')"),
        ),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    queue: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="queued")
    payload: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    dataset_id: Mapped[UUID | None]
    sample_id: Mapped[UUID | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    request_id: Mapped[str | None]
    traceparent: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    deadline_at: Mapped[datetime]
    run_after: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    dispatches: Mapped[int] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int]
    lease_number: Mapped[int] = mapped_column(server_default="0")
    lease_expires_at: Mapped[datetime | None]
    worker: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]


class JobAttempt(Base):
    """One try of a job: who, when, and how it ended."""

    __tablename__ = "job_attempts"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    lease_number: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str]
    started_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    reason: Mapped[str | None]


class WorkerProcess(Base):
    """A worker process that has warmed up and consumes; silent ones are forgotten."""

    __tablename__ = "worker_processes"

    name: Mapped[str] = mapped_column(primary_key=True)
    queues: Mapped[list[Any]]
    engine: Mapped[str | None]
    model_digest: Mapped[str | None]
    seen_at: Mapped[CreatedAt]
