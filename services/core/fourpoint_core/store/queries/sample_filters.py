"""Pages, counts and neighbours of what somebody asked for."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Select, and_, bindparam, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql import ClauseElement

from fourpoint_core.domain.filters import SampleFilter, Sort, SortKey, Status
from fourpoint_core.store.models import Dataset, Sample, SamplePath, SampleState, VersionSample
from fourpoint_core.store.models.samples import KEPT
from fourpoint_core.store.queries import datasets, pins, tallies
from fourpoint_core.store.queries.sample_query import (
    COLUMN_OF,
    PLACE_ID,
    PLACE_VALUE,
    SampleQuery,
    name_says,
    path_says,
    sorted_by,
    stood_at,
)
from fourpoint_core.store.queries.sample_rows import ListedSample, Place, SamplePage
from fourpoint_core.store.queries.samples import no_sample

# As many matches as are found and sorted in some tens of milliseconds. More are met soon in any order.
FEW_NAMES = 5_000
FEW_PATHS = 20_000
KEPT_STATEMENTS = 256


def list_samples(
    session: Session, dataset_id: UUID, wanted: SampleFilter, sort: Sort, after: Place | None, limit: int
) -> SamplePage:
    """A page of the samples that match. Raises NotFoundError."""
    few = _few_match(session, dataset_id, wanted)
    statement = _page(dataset_id, wanted, sort, few, limit + 1, from_start=after is None)
    # By the connection: of columns the session makes no objects, and has nothing to add.
    found = session.connection().execute(statement, {} if after is None else _values(after))
    rows = [ListedSample._make(row) for row in found]
    if not rows:
        datasets.require_dataset(session, dataset_id)
    page = rows[:limit]
    return SamplePage(page, _place(page[-1], sort) if len(rows) > limit else None)


def count_exactly(session: Session, dataset_id: UUID, wanted: SampleFilter) -> int:
    """How many samples match."""
    if wanted.only_status:
        totals = tallies.sample_totals(session, dataset_id, wanted.version)
        return {
            Status.ALL: totals.total,
            Status.LABELED: totals.labeled,
            Status.UNLABELED: totals.total - totals.labeled,
            Status.MISSING: totals.missing,
        }[wanted.status]
    return session.scalar(SampleQuery(dataset_id, wanted, Sort()).select(func.count())) or 0


def estimate_count(session: Session, dataset_id: UUID, wanted: SampleFilter) -> int:
    """About how many samples match, by the planner's statistics; exact where counting costs nothing."""
    if wanted.only_status:
        return count_exactly(session, dataset_id, wanted)
    plan = session.scalar(_Explain(SampleQuery(dataset_id, wanted, Sort()).select_samples()))
    return int(plan[0]["Plan"]["Plan Rows"])


def neighbours(
    session: Session, sample_id: UUID, wanted: SampleFilter, sort: Sort
) -> tuple[UUID | None, UUID | None]:
    """The matching samples before and after this one, whether or not it matches. Raises NotFoundError."""
    few: bool | None = None
    if wanted.name_contains is not None or wanted.path_prefix is not None:
        dataset_id, _ = _place_of(session, sample_id, wanted, sort)
        few = _few_match(session, dataset_id, wanted)
    statement = _both_sides(wanted, sort, few)
    row = session.connection().execute(statement, {PLACE_ID: sample_id}).one_or_none()
    if row is None:
        raise no_sample(sample_id)
    return row[0], row[1]


def ids_after(session: Session, sample_id: UUID, wanted: SampleFilter, sort: Sort, count: int) -> list[UUID]:
    """The next matching samples after this one, whether or not it matches. Raises NotFoundError."""
    dataset_id, place = _place_of(session, sample_id, wanted, sort)
    page = list_samples(session, dataset_id, wanted, sort, place, count)
    return [UUID(str(row.id)) for row in page.rows]


def ordered_ids(dataset_id: UUID, wanted: SampleFilter, sort: Sort) -> Select[UUID]:
    """A select, from `Sample`, of the ids of the samples that match, in order."""
    query = SampleQuery(dataset_id, wanted, sort)
    return query.in_order(query.select_samples())


def matching_ids(dataset_id: UUID, wanted: SampleFilter) -> Select[UUID]:
    """A select, from `Sample`, of the ids of all samples that match, for statements that act on them."""
    return SampleQuery(dataset_id, wanted, Sort()).select_samples()


def stream(
    session: Session, dataset_id: UUID, wanted: SampleFilter, sort: Sort, batch: int
) -> Iterator[Sequence[ListedSample]]:
    """All samples that match, in order, `batch` at a time, by a cursor of the server: the memory stays flat.

    They are of one moment, that of the first one. The transaction stays open meanwhile; other statements may
    be executed in it.
    """
    query = SampleQuery(dataset_id, wanted, sort)
    statement = query.in_order(query.select(*query.columns))
    result = session.connection().execute(statement, execution_options={"yield_per": batch})
    for rows in result.partitions():
        yield [ListedSample._make(row) for row in rows]


# Making a statement costs more than sending it. Whoever scrolls asks the same again, of another place.
@lru_cache(maxsize=KEPT_STATEMENTS)
def _page(
    dataset_id: UUID, wanted: SampleFilter, sort: Sort, few: bool | None, limit: int, *, from_start: bool
) -> Select[Any]:
    query = SampleQuery(dataset_id, wanted, sort, few=few)
    return query.page(limit, from_start=from_start).where(datasets.is_live(dataset_id))


@lru_cache(maxsize=KEPT_STATEMENTS)
def _both_sides(wanted: SampleFilter, sort: Sort, few: bool | None) -> Select[Any]:
    """One row, the ids before and after a sample's place; none where it is not there."""
    place = _place_in(sort.key, wanted.at, wanted.version).subquery("place")
    query = SampleQuery(place.c.dataset_id, wanted, sort, few=few, place=(place.c.value, place.c.id))
    sides = (query.id_beside(forward=forward).scalar_subquery() for forward in (False, True))
    return select(*sides).select_from(place)


def _values(place: Place) -> dict[str, Any]:
    return {PLACE_VALUE: place.value, PLACE_ID: place.id}


def _few_match(session: Session, dataset_id: UUID, wanted: SampleFilter) -> bool | None:
    """Whether so few match name or path that finding and sorting them all is cheap; None: neither is asked."""
    few: bool | None = None
    if wanted.name_contains is not None:
        few = _is_short(session, _first_named(dataset_id, wanted.name_contains, FEW_NAMES + 1), FEW_NAMES)
    if wanted.path_prefix is not None and not few:
        facts = Sample if wanted.version is None else VersionSample
        few = _is_short(session, _first_below(facts, dataset_id, wanted.path_prefix, FEW_PATHS + 1), FEW_PATHS)
    return few


def _is_short(session: Session, first: Select[int], length: int) -> bool:
    counted: int = session.connection().execute(first).scalar_one()
    return counted <= length


@lru_cache(maxsize=KEPT_STATEMENTS)
def _first_named(dataset_id: UUID, needle: str, limit: int) -> Select[int]:
    """How many names have it in them, counted to `limit`."""
    some = select(SamplePath.sample_id).where(*name_says(dataset_id, needle)).limit(limit)
    return select(func.count()).select_from(some.subquery())


@lru_cache(maxsize=KEPT_STATEMENTS)
def _first_below(facts: Any, dataset_id: UUID, prefix: str, limit: int) -> Select[int]:
    """How many object keys begin so, counted to `limit`; of versions: of all the dataset's, which will do."""
    below = (facts.dataset_id == dataset_id, *path_says(prefix, facts))
    some = select(facts.object_key).where(*below).limit(limit)
    return select(func.count()).select_from(some.subquery())


def _place_of(session: Session, sample_id: UUID, wanted: SampleFilter, sort: Sort) -> tuple[UUID, Place]:
    """A sample's dataset, and where it stands in an order whether or not it matches the filter."""
    statement = _place_in(sort.key, wanted.at, wanted.version)
    row = session.connection().execute(statement, {PLACE_ID: sample_id}).one_or_none()
    if row is None:
        raise no_sample(sample_id)
    return row.dataset_id, Place(row.value, sample_id)


@lru_cache(maxsize=KEPT_STATEMENTS)
def _place_in(key: SortKey, at: datetime | None, version: UUID | None) -> Select[Any]:
    value = sorted_by(key, Sample, at)
    if version is not None:
        value = func.coalesce(sorted_by(key, VersionSample, None), value)
    statement = (
        select(Sample.id, Sample.dataset_id, value.label("value"))
        .select_from(Sample)
        .join(Dataset, Dataset.id == Sample.dataset_id)
        .where(Sample.id == bindparam(PLACE_ID), datasets.LIVE, KEPT)
    )
    if at is not None:
        statement = statement.outerjoin(SampleState, stood_at(at))
    if version is not None:
        pinned = and_(VersionSample.sample_id == Sample.id, *pins.valid_in(version))
        statement = statement.outerjoin(VersionSample, pinned)
    return statement


def _place(last: ListedSample, sort: Sort) -> Place:
    return Place(getattr(last, COLUMN_OF[sort.key]), UUID(last.id))


class _Explain(Executable, ClauseElement):
    """What the planner expects of a statement."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]):
        self.statement = statement


@compiles(_Explain)
def _compile_explain(element: _Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"
