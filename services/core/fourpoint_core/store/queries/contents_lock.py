"""Whoever writes a version keeps out whoever deletes its samples for good, and the other way round.

The one looks for what there is and then pins it; the other looks for what is pinned and then removes the
rest. Neither may come in between. Savers have nothing to do with it.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

# Two keys: what the lock is about, and which dataset it is of.
_SPACE = 0x56657273
_EXCLUSIVE = text("SELECT pg_advisory_xact_lock(:space, hashtext(:dataset_id))")
_SHARED = text("SELECT pg_advisory_xact_lock_shared(:space, hashtext(:dataset_id))")


def keep_from_purging(session: Session, dataset_id: UUID) -> None:
    """Nobody removes samples of the dataset for good until the transaction ends."""
    session.execute(_EXCLUSIVE, {"space": _SPACE, "dataset_id": str(dataset_id)})


def keep_from_publishing(session: Session, dataset_ids: Collection[UUID]) -> None:
    """Nobody writes a version of these datasets until the transaction ends; others may purge as well."""
    for dataset_id in sorted(set(dataset_ids)):
        session.execute(_SHARED, {"space": _SPACE, "dataset_id": str(dataset_id)})
