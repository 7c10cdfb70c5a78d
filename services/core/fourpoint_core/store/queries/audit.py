"""The audit log: what no trigger sees is written here, and everything is read."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from fourpoint_core.store import authorship
from fourpoint_core.store.models import AuditEntry
from fourpoint_core.store.session import Sessions, reading

BATCH = 1000
_WRITE = text(
    "SELECT audit_write(:kind, :word, :resource_id, CAST(:dataset_id AS uuid), CAST(:details AS jsonb), "
    "NULL, NULL, :once)"
)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; None: all. action: as `dataset.deleted`; kind: of the resource, as `dataset`.

    since, until: of times, with the first and without the second.
    """

    actor_id: UUID | None = None
    action: str | None = None
    kind: str | None = None
    resource_id: str | None = None
    dataset_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def add(
    session: Session,
    kind: str,
    word: str,
    resource_id: UUID | str | None,
    *,
    dataset_id: UUID | None = None,
    details: dict[str, Any] | None = None,
    once: str | None = None,
) -> None:
    """Write down what was done, within the transaction that does it. once: see AuditEntry."""
    authorship.declare(session)
    values = {
        "kind": kind,
        "word": word,
        "resource_id": None if resource_id is None else str(resource_id),
        "dataset_id": dataset_id,
        "details": json.dumps(details or {}, default=str),
        "once": once,
    }
    session.execute(_WRITE, values)


def list_entries(session: Session, wanted: AuditFilter, before: int | None, limit: int) -> list[AuditEntry]:
    """Entries, the latest first, from the one that comes `before` this number."""
    statement = _select(wanted).order_by(AuditEntry.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(AuditEntry.id < before)
    return list(session.scalars(statement))


def batches(sessions: Sessions, wanted: AuditFilter, until_id: int) -> Iterator[Sequence[AuditEntry]]:
    """All entries up to a number, the oldest first, some at a time: the log may be longer than memory."""
    after = 0
    while True:
        statement = _select(wanted).where(AuditEntry.id > after, AuditEntry.id <= until_id)
        with reading(sessions) as session:
            rows = session.scalars(statement.order_by(AuditEntry.id).limit(BATCH)).all()
        if rows:
            yield rows
        if len(rows) < BATCH:
            return
        after = rows[-1].id


def last_id(session: Session) -> int:
    """The number of the latest entry; 0 where there is none."""
    return session.scalar(select(AuditEntry.id).order_by(AuditEntry.id.desc()).limit(1)) or 0


def _select(wanted: AuditFilter) -> Select[Any]:
    statement = select(AuditEntry)
    equal = {
        AuditEntry.actor_id: wanted.actor_id,
        AuditEntry.action: wanted.action,
        AuditEntry.resource_kind: wanted.kind,
        AuditEntry.resource_id: wanted.resource_id,
        AuditEntry.dataset_id: wanted.dataset_id,
    }
    statement = statement.where(*(column == value for column, value in equal.items() if value is not None))
    if wanted.since is not None:
        statement = statement.where(AuditEntry.created_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(AuditEntry.created_at < wanted.until)
    return statement
