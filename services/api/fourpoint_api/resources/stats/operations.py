"""Reading counts; no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from fourpoint_core.errors import InvalidInputError
from fourpoint_core.store.queries import datasets, tallies, versions
from fourpoint_core.store.session import Sessions, reading

_DAYS = 30
_MOST_DAYS = 3660


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of one dataset."""

    totals: tallies.SampleTotals
    labels: Sequence[tallies.LabelCount]
    labelers: Sequence[tallies.LabelerCount]
    days: Sequence[tallies.LabelerCount]


def read(
    sessions: Sessions, dataset_id: UUID, first: date | None, last: date | None, version: UUID | None
) -> Stats:
    """All counts of a dataset, or of a version of it.

    Raises NotFoundError, or InvalidInputError for days that are none and for a version that is none.
    """
    last = last or datetime.now(UTC).date()
    first = first or max(last, date(1970, 2, 1)) - timedelta(days=_DAYS - 1)
    if not timedelta(0) <= last - first < timedelta(days=_MOST_DAYS):
        raise InvalidInputError.at(
            "?first_day", "days_order", f"Give a first day before the last, at most {_MOST_DAYS} days."
        )
    with reading(sessions) as session:
        datasets.require_dataset(session, dataset_id)
        versions.require_readable(session, dataset_id, version)
        return Stats(
            tallies.sample_totals(session, dataset_id, version),
            tallies.by_label(session, dataset_id, version),
            tallies.by_labeler(session, dataset_id, version),
            tallies.by_day(session, dataset_id, first, last, version),
        )
