"""Counting again what the database keeps counted."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from fourpoint_core.errors import FourpointError
from fourpoint_core.store.queries import tallies
from fourpoint_core.store.session import Sessions, sessions_for, unit_of_work, with_driver
from fourpoint_standalone.processes import StandaloneError

_FIRST = UUID(int=0)
_SAMPLES_AT_ONCE = 5000


def recount(database_url: str, dataset_id: UUID | None = None) -> Iterator[str]:
    """Count a dataset again, or all of them, and correct what differs; says so, a sentence a finding.

    People may go on labeling: what they save meanwhile is neither lost nor counted twice.
    Raises StandaloneError, for a person to read.
    """
    sessions = sessions_for(create_engine(with_driver(database_url), poolclass=NullPool))
    try:
        with unit_of_work(sessions) as session:
            known = tallies.dataset_ids(session)
        if dataset_id is not None and dataset_id not in known:
            raise StandaloneError(f"There is no dataset {dataset_id}; without --dataset all are counted.")
        wanted = known if dataset_id is None else [dataset_id]
        for one in wanted:
            yield from _recount(sessions, one)
    except FourpointError as error:
        raise StandaloneError(error.detail) from error


def _recount(sessions: Sessions, dataset_id: UUID) -> Iterator[str]:
    # First what filters ask, whose repair is counted as any other change; then the counters themselves.
    wrong, after = 0, _FIRST
    while True:
        with unit_of_work(sessions) as session:
            last, found = tallies.settle_again(session, dataset_id, after, _SAMPLES_AT_ONCE)
        wrong += found
        if last is None:
            break
        after = last
    if wrong:
        yield f"{dataset_id}: {wrong} images were found under other labels or states than their documents say."
    with unit_of_work(sessions) as session:
        differences = tallies.mend(session, dataset_id)
    for difference in differences:
        said, counted = difference.said, difference.counted
        day = f" on {difference.day}" if difference.day else ""
        yield (
            f"{dataset_id}: {difference.kind} {difference.subject}{day} said {said.images} images and "
            f"{said.objects} objects, and has {counted.images} and {counted.objects}."
        )
