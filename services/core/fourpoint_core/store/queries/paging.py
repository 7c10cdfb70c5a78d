"""Keyset pages: the same cost at the first row and at the millionth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import Session

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Keyset:
    """Where a page begins: after the row with this time and id."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and where the next page begins (None at the end)."""

    rows: Sequence[Row]
    next: Keyset | None


def fetch_page(
    session: Session, statement: Select[Any], model: Any, after: Keyset | None, limit: int
) -> Page[Any]:
    """One page of `statement`, a select of `model`, in order of (created_at, id)."""
    order = (model.created_at, model.id)
    if after is not None:
        statement = statement.where(tuple_(*order) > tuple_(after.created_at, after.id))
    # One row more than asked tells whether there is a next page, without counting.
    rows = session.scalars(statement.order_by(*order).limit(limit + 1)).all()
    page = rows[:limit]
    more = len(rows) > limit
    return Page(page, Keyset(page[-1].created_at, page[-1].id) if more else None)
