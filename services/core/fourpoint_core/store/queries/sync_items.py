"""What a synchronisation knows beforehand and what it finds, both by key in the order of code points."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, bindparam, collate, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.reconcile import Known, Outcome, Role, Standing
from fourpoint_core.store.models import ForgottenObject, KnownObject, Sample, SyncItem

_ITEMS = cast(Table, SyncItem.__table__)


@dataclass(frozen=True, slots=True)
class Item:
    """What is found under a key. See SyncItem."""

    key: str
    role: Role
    outcome: Outcome
    sample_id: UUID | None = None
    etag: str | None = None
    size: int | None = None
    modified_at: datetime | None = None
    previous_key: str | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a key in the end."""

    key: str
    outcome: Outcome
    sample_id: UUID | None = None
    detail: dict[str, Any] | None = None


# A key has one row here: a sample's goes before what was forgotten under the same key earlier.
_KNOWN = text(
    """
    SELECT key, standing, etag, size, id, error FROM (
        (
            SELECT object_key COLLATE "C" AS key,
                CASE WHEN trashed_at IS NOT NULL THEN 'trashed'
                    WHEN missing_since IS NOT NULL THEN 'missing' ELSE 'present' END AS standing,
                object_etag AS etag, size_bytes AS size, id, NULL::jsonb AS error, 0 AS rank
            FROM samples
            WHERE dataset_id = :dataset_id AND object_key COLLATE "C" > :after
                AND absence IS DISTINCT FROM 'purged'
            ORDER BY object_key COLLATE "C" LIMIT :limit
        ) UNION ALL (
            SELECT object_key, CASE role WHEN 'sidecar' THEN 'sidecar' ELSE 'refused' END,
                etag, size_bytes, sample_id, error, 1
            FROM known_objects WHERE dataset_id = :dataset_id AND object_key > :after
            ORDER BY object_key LIMIT :limit
        ) UNION ALL (
            SELECT object_key COLLATE "C", 'forgotten', '', 0, NULL, NULL, 2
            FROM forgotten_objects WHERE dataset_id = :dataset_id AND object_key COLLATE "C" > :after
            ORDER BY object_key COLLATE "C" LIMIT :limit
        )
    ) everything
    ORDER BY key, rank LIMIT :limit
    """
)
_STANDINGS = {standing.value: standing for standing in Standing}


def known_after(session: Session, dataset_id: UUID, after: str, limit: int) -> list[Known]:
    """What the table knows of the next keys; empty at the end."""
    values = {"dataset_id": dataset_id, "after": after, "limit": limit}
    found: list[Known] = []
    for key, standing, etag, size, row_id, error in session.execute(_KNOWN, values):
        if not found or found[-1].key != key:
            found.append(Known(key, _STANDINGS[standing], etag, size, row_id, error))
    return found


def note(session: Session, job_id: UUID, items: Sequence[Item]) -> None:
    """Write down what was found; what a killed worker has written already stays."""
    if items:
        rows = [
            {
                "job_id": job_id,
                "object_key": item.key,
                "role": item.role.value,
                "outcome": item.outcome.value,
                "sample_id": item.sample_id,
                "etag": item.etag,
                "size_bytes": item.size,
                "modified_at": item.modified_at,
                "previous_key": item.previous_key,
                "detail": item.detail,
            }
            for item in items
        ]
        session.execute(insert(_ITEMS).on_conflict_do_nothing(), rows)


def page(
    session: Session,
    job_id: UUID,
    after: str,
    limit: int,
    *,
    outcomes: Collection[Outcome] = (),
    role: Role | None = None,
) -> list[Item]:
    """The next items of a run by key, of these outcomes and this role; by default of all."""
    statement = select(SyncItem).where(SyncItem.job_id == job_id, SyncItem.object_key > after)
    if outcomes:
        statement = statement.where(SyncItem.outcome.in_(outcomes))
    if role is not None:
        statement = statement.where(SyncItem.role == role.value)
    rows = session.scalars(statement.order_by(SyncItem.object_key).limit(limit))
    return [_item(row) for row in rows]


def settle(session: Session, job_id: UUID, settled: Sequence[Settled]) -> None:
    """Write down what became of keys, where it is not what was found at first."""
    if settled:
        session.connection().execute(
            _SETTLE,
            [
                {
                    "of_job": job_id,
                    "of_key": one.key,
                    "outcome": one.outcome.value,
                    "sample_id": one.sample_id,
                    "detail": one.detail,
                }
                for one in settled
            ],
        )


_SETTLE = (
    update(_ITEMS)
    .where(_ITEMS.c.job_id == bindparam("of_job"), _ITEMS.c.object_key == bindparam("of_key"))
    .values(
        outcome=bindparam("outcome"),
        sample_id=func.coalesce(bindparam("sample_id", type_=_ITEMS.c.sample_id.type), _ITEMS.c.sample_id),
        detail=bindparam("detail", type_=_ITEMS.c.detail.type),
    )
)


def drop(session: Session, job_id: UUID, keys: Collection[str]) -> None:
    """Take keys out of a run: nothing is to be done about them after all."""
    if keys:
        session.execute(
            delete(SyncItem)
            .where(SyncItem.job_id == job_id, SyncItem.object_key.in_(keys))
            .execution_options(synchronize_session=False)
        )


def count(session: Session, job_id: UUID, role: Role | None = None) -> dict[str, int]:
    """How many keys of a run have each outcome."""
    statement = select(SyncItem.outcome, func.count()).where(SyncItem.job_id == job_id)
    if role is not None:
        statement = statement.where(SyncItem.role == role.value)
    return {row[0]: row[1] for row in session.execute(statement.group_by(SyncItem.outcome))}


def forget_known(session: Session, dataset_id: UUID, keys: Collection[str]) -> None:
    """Know nothing of these objects any more: they are gone from the bucket."""
    for model in (KnownObject, ForgottenObject):
        if keys:
            session.execute(
                delete(model)
                .where(model.dataset_id == dataset_id, model.object_key.in_(keys))
                .execution_options(synchronize_session=False)
            )


def know(session: Session, dataset_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Note objects that are no samples, or what is new about them. rows: columns of KnownObject."""
    if not rows:
        return
    table = cast(Table, KnownObject.__table__)
    statement = insert(table)
    named = ("role", "etag", "size_bytes", "sample_id", "revision", "error")
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.dataset_id, table.c.object_key],
            set_={name: statement.excluded[name] for name in named},
        ),
        [{"dataset_id": dataset_id, **dict.fromkeys(named), **row} for row in rows],
    )


def wake_sidecars(session: Session, job_id: UUID, dataset_id: UUID, keys: Collection[str]) -> None:
    """Have the sidecars under these keys looked at in this run, where they had no image until now."""
    if keys:
        waiting = select(
            KnownObject.object_key,
            KnownObject.etag,
            KnownObject.size_bytes,
        ).where(
            KnownObject.dataset_id == dataset_id,
            KnownObject.object_key.in_(keys),
            KnownObject.role == "sidecar",
            KnownObject.sample_id.is_(None),
        )
        note(
            session,
            job_id,
            [
                Item(key, Role.SIDECAR, Outcome.LABELS_READ, etag=etag, size=size)
                for key, etag, size in session.execute(waiting)
            ],
        )


def report(
    session: Session, job_id: UUID, dataset_id: UUID, after: str, limit: int, outcomes: Collection[Outcome]
) -> list[Item]:
    """As `page`; what was added says which sample it is."""
    items = page(session, job_id, after, limit, outcomes=outcomes)
    added = [item.key for item in items if item.outcome is Outcome.ADDED]
    ids = {
        row.object_key: row.id
        for row in session.execute(
            select(Sample.object_key, Sample.id).where(
                Sample.dataset_id == dataset_id, Sample.object_key.in_(added)
            )
        )
    }
    return [replace(item, sample_id=item.sample_id or ids.get(item.key)) for item in items]


def forgotten(session: Session, dataset_id: UUID, after: str, limit: int) -> Sequence[ForgottenObject]:
    """The next files that were left on purpose, by key."""
    key = collate(ForgottenObject.object_key, "C")
    return session.scalars(
        select(ForgottenObject)
        .where(ForgottenObject.dataset_id == dataset_id, key > after)
        .order_by(key)
        .limit(limit)
    ).all()


def remember(session: Session, dataset_id: UUID, keys: Collection[str] | None) -> int:
    """Let files that were left on purpose come back; None: all of them. How many there were."""
    statement = delete(ForgottenObject).where(ForgottenObject.dataset_id == dataset_id)
    if keys is not None:
        statement = statement.where(ForgottenObject.object_key.in_(keys))
    gone = session.execute(
        statement.returning(ForgottenObject.object_key).execution_options(synchronize_session=False)
    )
    return len(gone.all())


def appeared(session: Session, job_id: UUID, sizes: Collection[int], limit: int = 5_000) -> list[Item]:
    """New images of these sizes, by key."""
    if not sizes:
        return []
    rows = session.scalars(
        select(SyncItem)
        .where(
            SyncItem.job_id == job_id,
            SyncItem.outcome == Outcome.ADDED.value,
            SyncItem.role == Role.IMAGE.value,
            SyncItem.size_bytes.in_(sizes),
        )
        .order_by(SyncItem.object_key)
        .limit(limit)
    )
    return [_item(row) for row in rows]


def make_rename(session: Session, job_id: UUID, key: str, sample_id: UUID, previous_key: str) -> None:
    """What appeared under a key is a sample that was missed under another one."""
    session.execute(
        update(SyncItem)
        .where(SyncItem.job_id == job_id, SyncItem.object_key == key)
        .values(outcome=Outcome.RENAMED.value, sample_id=sample_id, previous_key=previous_key)
        .execution_options(synchronize_session=False)
    )
    drop(session, job_id, [previous_key])


def every_page(fetch: Any, after: str = "") -> Iterator[Any]:
    """All rows of pages by key. fetch: from a key to the rows behind it, empty at the end."""
    while rows := fetch(after):
        yield from rows
        after = rows[-1].key


def _item(row: SyncItem) -> Item:
    return Item(
        row.object_key,
        Role(row.role),
        Outcome(row.outcome),
        row.sample_id,
        row.etag,
        row.size_bytes,
        row.modified_at,
        row.previous_key,
        row.detail,
    )
