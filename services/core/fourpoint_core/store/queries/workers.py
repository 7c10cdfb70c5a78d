"""The worker processes that are there, by their own word."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.store.models import WorkerProcess


def greet(session: Session, name: str, queues: list[str], engine: str | None, digest: str | None) -> None:
    """A worker process says that it is there and consumes."""
    values = {"queues": queues, "engine": engine, "model_digest": digest, "seen_at": func.clock_timestamp()}
    session.execute(
        insert(WorkerProcess)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=[WorkerProcess.name], set_=values)
    )


def take_leave(session: Session, name: str) -> None:
    """A worker process has stopped consuming."""
    session.execute(WorkerProcess.__table__.delete().where(WorkerProcess.name == name))  # type: ignore[attr-defined]


def workers_seen(session: Session, within: timedelta) -> Sequence[WorkerProcess]:
    """The processes heard of lately."""
    return session.scalars(
        select(WorkerProcess).where(WorkerProcess.seen_at > func.clock_timestamp() - within)
    ).all()


def forget_silent_workers(session: Session, after: timedelta) -> None:
    """Remove processes not heard of for long."""
    session.execute(
        WorkerProcess.__table__.delete().where(  # type: ignore[attr-defined]
            WorkerProcess.seen_at < func.clock_timestamp() - after
        )
    )
