"""Filters kept by name."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fourpoint_core.errors import NameTakenError, NotFoundError
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import SavedFilter
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page


def add_filter(
    session: Session, dataset_id: UUID, name: str, wanted: dict[str, Any], sort: str, author: UUID
) -> SavedFilter:
    """Keep a filter. Raises NameTakenError."""
    row: SavedFilter | None = session.scalar(
        insert(SavedFilter)
        .values(id=new_id(), dataset_id=dataset_id, name=name, filter=wanted, sort=sort, created_by=author)
        .on_conflict_do_nothing()
        .returning(SavedFilter)
    )
    if row is None:
        raise _taken(name)
    return row


def list_filters(session: Session, dataset_id: UUID, after: Keyset | None, limit: int) -> Page[SavedFilter]:
    """A page of a dataset's filters, oldest first."""
    statement = select(SavedFilter).where(SavedFilter.dataset_id == dataset_id)
    return fetch_page(session, statement, SavedFilter, after, limit)


def get_filter(session: Session, dataset_id: UUID, filter_id: UUID, *, lock: bool = False) -> SavedFilter:
    """Read a filter of a dataset. Raises NotFoundError."""
    statement = select(SavedFilter).where(SavedFilter.id == filter_id, SavedFilter.dataset_id == dataset_id)
    found = session.scalar(statement.with_for_update() if lock else statement)
    if found is None:
        raise NotFoundError(f"The dataset has no filter {filter_id}.")
    return found


def change_filter(session: Session, saved: SavedFilter, changes: dict[str, Any]) -> SavedFilter:
    """Set name, filter or sort. Raises NameTakenError."""
    statement = (
        update(SavedFilter)
        .where(SavedFilter.id == saved.id)
        .values(**changes, row_version=SavedFilter.row_version + 1)
        .returning(SavedFilter)
    )
    try:
        return session.scalars(statement, execution_options={"populate_existing": True}).one()
    except IntegrityError as error:
        raise _taken(changes.get("name", saved.name)) from error


def remove_filter(session: Session, saved: SavedFilter) -> None:
    """Forget a filter."""
    session.execute(delete(SavedFilter).where(SavedFilter.id == saved.id))


def _taken(name: str) -> NameTakenError:
    return NameTakenError(f"The dataset already has a filter named {name!r}; choose another name.")
