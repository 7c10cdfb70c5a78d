"""Datasets."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fourpoint_core.domain.access import Caller, Role
from fourpoint_core.errors import NameTakenError, NotFoundError
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import Dataset, Job, Label, Version, VersionHead, VersionSample
from fourpoint_core.store.queries import members, tallies
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page

LIVE: ColumnElement[bool] = Dataset.deleted_at.is_(None)


def add_dataset(session: Session, name: str, description: str, input_path: str | None, author: UUID) -> Dataset:
    """Create a dataset. Raises NameTakenError."""
    dataset_id = new_id()
    row: Dataset | None = session.scalar(
        insert(Dataset)
        .values(
            id=dataset_id,
            name=name,
            description=description,
            input_path=input_path or f"datasets/{dataset_id}/",
            created_by=author,
        )
        .on_conflict_do_nothing()
        .returning(Dataset)
    )
    if row is None:
        raise NameTakenError(f"There is already a dataset named {name!r}; choose another name.")
    members.set_role(session, dataset_id, author, Role.OWNER)
    return row


def get_dataset(session: Session, dataset_id: UUID, *, lock: bool = False) -> Dataset:
    """Read a dataset. Raises NotFoundError."""
    dataset: Dataset | None = session.scalar(_LOCKED if lock else _FOUND, {"dataset_id": dataset_id})
    if dataset is None:
        raise NotFoundError(f"There is no dataset {dataset_id}.")
    return dataset


def is_live(dataset_id: UUID) -> ColumnElement[bool]:
    """The condition that the dataset is there, for statements about what belongs to it."""
    return select(Dataset.id).where(Dataset.id == dataset_id, LIVE).exists()


def require_dataset(session: Session, dataset_id: UUID) -> None:
    """As `get_dataset`, for those who need nothing of it. Raises NotFoundError."""
    if not session.connection().scalar(_IS_LIVE, {"dataset_id": dataset_id}):
        raise NotFoundError(f"There is no dataset {dataset_id}.")


def list_datasets(
    session: Session, caller: Caller, name_contains: str | None, after: Keyset | None, limit: int
) -> Page[Dataset]:
    """A page of the datasets that the caller may see, oldest first. name_contains: in any case, literally."""
    return fetch_page(session, select(Dataset).where(*_listed(caller, name_contains)), Dataset, after, limit)


def count_datasets(session: Session, caller: Caller, name_contains: str | None) -> int:
    """How many datasets such a list has."""
    listed = select(func.count()).select_from(Dataset).where(*_listed(caller, name_contains))
    return session.scalar(listed) or 0


def _listed(caller: Caller, name_contains: str | None) -> list[ColumnElement[bool]]:
    conditions = [LIVE, members.visible(caller, Dataset.id)]
    if name_contains is not None:
        conditions.append(Dataset.name.icontains(name_contains, autoescape=True))
    return conditions


def change_dataset(session: Session, dataset: Dataset, *, is_new: bool = False, **changes: Any) -> Dataset:
    """Change columns. is_new: nobody has seen the dataset as it was. Raises NameTakenError.

    With auto_sync_minutes, the next synchronisation is due in so many minutes from now, or never.
    """
    values: dict[str, Any] = dict(changes)
    if "auto_sync_minutes" in changes:
        minutes = changes["auto_sync_minutes"]
        values["sync_due_at"] = None if minutes is None else func.clock_timestamp() + timedelta(minutes=minutes)
    if not is_new:
        values |= {"row_version": Dataset.row_version + 1, "updated_at": func.clock_timestamp()}
    statement = update(Dataset).where(Dataset.id == dataset.id).values(**values).returning(Dataset)
    try:
        # The index decides, not a look beforehand: somebody may be taking the name at this moment.
        return session.scalars(statement, execution_options={"populate_existing": True}).one()
    except IntegrityError as error:
        raise NameTakenError(
            f"There is already a dataset named {changes.get('name')!r}; choose another name."
        ) from error


def mark_deleted(session: Session, dataset: Dataset) -> None:
    """Hide the dataset at once; a job removes its rows."""
    session.execute(update(Dataset).where(Dataset.id == dataset.id).values(deleted_at=func.clock_timestamp()))


def purge_rest(session: Session, dataset_id: UUID) -> None:
    """Remove a deleted dataset that has no samples left. Its jobs stay as the record of what was done."""
    session.execute(update(Job).where(Job.dataset_id == dataset_id).values(sample_id=None))
    session.execute(delete(VersionHead).where(VersionHead.dataset_id == dataset_id))
    session.execute(delete(Version).where(Version.dataset_id == dataset_id))
    session.execute(delete(VersionSample).where(VersionSample.dataset_id == dataset_id))
    session.execute(delete(Label).where(Label.dataset_id == dataset_id))
    session.execute(delete(Dataset).where(Dataset.id == dataset_id))
    tallies.forget_dataset(session, dataset_id)


# Made once, as they are asked often.
_FOUND = select(Dataset).where(Dataset.id == bindparam("dataset_id"), LIVE)
_LOCKED = _FOUND.with_for_update(key_share=True)
_IS_LIVE = select(select(Dataset.id).where(Dataset.id == bindparam("dataset_id"), LIVE).exists())
