"""What the page of a dataset begins with: the dataset, how far it is, and where it stands; in one statement."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from fourpoint_core.errors import NotFoundError
from fourpoint_core.store.queries.tallies import TOTALS, SampleTotals
from fourpoint_core.store.queries.versions import DIFFERS


class ListedDataset(NamedTuple):
    """A dataset as it is shown; named as in `Dataset`. Ids are text: they are only written out again."""

    id: str
    name: str
    description: str
    input_path: str
    output_path: str | None
    import_annotations: bool
    auto_sync_minutes: int | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    row_version: int


class CurrentVersion(NamedTuple):
    """The version that a dataset shows; named as in `Version`."""

    id: str
    number: int
    name: str
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """current: None before the first version; has_changes: as in `versions.Standing`."""

    dataset: ListedDataset
    totals: SampleTotals
    current: CurrentVersion | None
    has_changes: bool


def _shown(table: str, fields: tuple[str, ...]) -> str:
    ids = {"id", "created_by"}
    return ", ".join(f"{table}.{name}{'::text' if name in ids else ''}" for name in fields)


_DASHBOARD = text(
    f"""
    SELECT {_shown("dataset", ListedDataset._fields)}, totals.total, totals.labeled, totals.missing,
        {_shown("version", CurrentVersion._fields)},
        ({DIFFERS.format(version="head.current_version_id")}) AS has_changes
    FROM datasets dataset
    LEFT JOIN version_heads head ON head.dataset_id = dataset.id
    LEFT JOIN versions version ON version.id = head.current_version_id
    CROSS JOIN ({TOTALS}) totals
    WHERE dataset.id = :owner AND dataset.deleted_at IS NULL
    """  # noqa: S608 - constants
)
_OF_DATASET, _OF_TOTALS = len(ListedDataset._fields), 3


def read(session: Session, dataset_id: UUID) -> Dashboard:
    """What there is to say of a dataset, of one moment. Raises NotFoundError."""
    row = session.connection().execute(_DASHBOARD, {"owner": dataset_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no dataset {dataset_id}.")
    dataset, rest = row[:_OF_DATASET], row[_OF_DATASET:]
    totals, version = rest[:_OF_TOTALS], rest[_OF_TOTALS:-1]
    current = None if version[0] is None else CurrentVersion._make(version)
    return Dashboard(ListedDataset._make(dataset), SampleTotals(*totals), current, rest[-1])
