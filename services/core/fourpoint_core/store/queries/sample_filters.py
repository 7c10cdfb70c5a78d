"""Sample filters as SQL: pages, counts and neighbours of what somebody asked for.

The working state is read from `samples` and from what the triggers derive from documents; a past state from
`sample_states`; a published version from what it pinned. Every condition that can be rare has an index of its
own, and so have the orders; which of them leads is the planner's choice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    and_,
    collate,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased
from sqlalchemy.sql import ClauseElement

from fourpoint_core.domain.filters import LabelMatch, SampleFilter, Sort, SortKey, Status, next_prefix
from fourpoint_core.store.models import Sample, SampleLabel, SamplePath, SampleState, VersionSample
from fourpoint_core.store.models.samples import KEPT, PRESENT
from fourpoint_core.store.queries import pins, tallies

Condition = ColumnElement[bool]
# As many matches as are found and sorted in some tens of milliseconds. More are met soon in any order.
FEW_NAMES = 5_000
FEW_PATHS = 20_000
_UNITS = {"h": "hours", "d": "days", "w": "weeks", "mo": "months", "y": "years"}


@dataclass(frozen=True, slots=True)
class DocumentState:
    """What a list shows of a sample's document: as it is, or as it stood."""

    revision: int
    annotation_count: int
    labeled_by: UUID | None
    labeled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A sample in a list; of a version: as it was then, and no row of the session."""

    sample: Sample
    state: DocumentState


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an order: the value that is sorted by (a time, a name, a number), and the sample's id."""

    value: Any
    id: UUID


@dataclass(frozen=True, slots=True)
class SamplePage:
    """Some samples, and the place after which the next page begins (None at the end)."""

    rows: Sequence[Listed]
    next: Place | None


def list_samples(
    session: Session, dataset_id: UUID, wanted: SampleFilter, sort: Sort, after: Place | None, limit: int
) -> SamplePage:
    """A page of the samples that match."""
    query = _Query(dataset_id, wanted, sort, few=_few_match(session, dataset_id, wanted))
    statement = query.page(after, limit + 1, forward=True)
    rows = [query.listed(row) for row in session.execute(statement)]
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
    return session.scalar(_Query(dataset_id, wanted, Sort()).select(func.count())) or 0


def estimate_count(session: Session, dataset_id: UUID, wanted: SampleFilter) -> int:
    """About how many samples match, by the planner's statistics; exact where counting costs nothing."""
    if wanted.only_status:
        return count_exactly(session, dataset_id, wanted)
    plan = session.scalar(_Explain(_Query(dataset_id, wanted, Sort()).select(Sample.id)))
    return int(plan[0]["Plan"]["Plan Rows"])


def place_of(session: Session, sample: Sample, wanted: SampleFilter, sort: Sort) -> Place:
    """Where a sample stands in an order, whether or not it matches the filter."""
    if wanted.version is not None:
        pin = pins.find(session, wanted.version, sample.id)
        if pin is not None:
            sample = pins.as_sample(pin)
    if sort.key is not SortKey.ANNOTATION_COUNT or wanted.at is None:
        return Place(_value(sample, sample.annotation_count, sort), sample.id)
    count = session.scalar(
        select(SampleState.annotation_count).where(SampleState.sample_id == sample.id, _valid_at(wanted.at))
    )
    return Place(count or 0, sample.id)


def next_id(
    session: Session, dataset_id: UUID, wanted: SampleFilter, sort: Sort, place: Place, *, forward: bool
) -> UUID | None:
    """The matching sample that follows a place, or precedes it; None at the end."""
    query = _Query(dataset_id, wanted, sort, few=_few_match(session, dataset_id, wanted))
    found: UUID | None = session.scalar(query.page_of_ids(place, 1, forward=forward))
    return found


def ordered_ids(dataset_id: UUID, wanted: SampleFilter, sort: Sort) -> Select[UUID]:
    """A select, from `Sample`, of the ids of the samples that match, in order."""
    query = _Query(dataset_id, wanted, sort)
    return query.beyond(query.select_samples(), None, forward=True)


def matching_ids(dataset_id: UUID, wanted: SampleFilter) -> Select[UUID]:
    """A select, from `Sample`, of the ids of all samples that match, for statements that act on them."""
    return _Query(dataset_id, wanted, Sort()).select_samples()


def stream(
    session: Session, dataset_id: UUID, wanted: SampleFilter, sort: Sort, batch: int
) -> Iterator[Sequence[Listed]]:
    """All samples that match, in order, `batch` at a time, by a cursor of the server: the memory stays flat.

    They are of one moment, that of the first one. The transaction stays open meanwhile; other statements may
    be executed in it.
    """
    query = _Query(dataset_id, wanted, sort)
    statement = query.beyond(query.select(*query.columns), None, forward=True)
    result = session.execute(statement, execution_options={"yield_per": batch})
    for rows in result.partitions():
        yield [query.listed(row) for row in rows]


class _Query:
    """One filter and one order over one dataset."""

    def __init__(self, dataset_id: UUID, wanted: SampleFilter, sort: Sort, *, few: bool | None = None):
        """few: what `_few_match` said; None: the planner decides."""
        self._few = few
        self._dataset_id = dataset_id
        self._wanted = wanted
        self._sort = sort
        self._is_past = wanted.at is not None or wanted.version is not None
        # What has the image's facts, under the same names in both.
        self._facts: Any = Sample if wanted.version is None else VersionSample
        self._id: InstrumentedAttribute[UUID] = Sample.id if wanted.version is None else VersionSample.sample_id
        # The labels' own index has the order of arrival: led by the first label, page and order are one read.
        self._led_by_label = (
            not self._is_past
            and wanted.status is not Status.MISSING
            and sort.key is SortKey.CREATED_AT
            and not few
            and (
                len(wanted.label_ids) == 1 or (bool(wanted.label_ids) and wanted.label_match is LabelMatch.ALL)
            )
        )

    def page(self, place: Place | None, limit: int, *, forward: bool) -> Select[Any]:
        """The `limit` samples after a place, or before it, with what `listed` needs."""
        if not self._few:
            return self.beyond(self.select(*self.columns), place, forward=forward).limit(limit)
        found = self.page_of_ids(place, limit, forward=forward).subquery()
        statement = self._with_state(select(*self.columns)).join(found, found.c.id == self._id)
        if self._wanted.version is not None:
            statement = statement.where(*pins.valid_in(self._wanted.version))
        return self._ordered(statement, self._order(), forward=forward)

    def page_of_ids(self, place: Place | None, limit: int, *, forward: bool) -> Select[Any]:
        """The ids of `page`."""
        order = self._order()
        if not self._few:
            return self.beyond(self.select(self._id), place, forward=forward).limit(limit)
        # Few match, and the order may meet them last. OFFSET keeps the planner from reading in order: it
        # finds them all by the condition that is rare, and sorts.
        columns = (self._id.label("id"), order[0].label("value"))
        inner = self._after(self.select(*columns), place, forward=forward).offset(0).subquery()
        statement = select(inner.c.id, inner.c.value)
        return self._ordered(statement, (inner.c.value, inner.c.id), forward=forward).limit(limit)

    def select(self, *columns: Any) -> Select[Any]:
        """A select of the matching samples, without an order."""
        statement = self._with_state(select(*columns))
        if self._led_by_label:
            statement = statement.join(SampleLabel, SampleLabel.sample_id == Sample.id)
        return statement.where(*self._conditions())

    def select_samples(self) -> Select[Any]:
        """A select of the ids of the samples' own rows, whatever they are found by."""
        statement = self.select(Sample.id)
        return statement if self._wanted.version is None else statement.join(Sample, Sample.id == self._id)

    def beyond(self, statement: Select[Any], place: Place | None, *, forward: bool) -> Select[Any]:
        """The part of `statement` after a place, in order; backward: before it, in the order's reverse."""
        statement = self._after(statement, place, forward=forward)
        return self._ordered(statement, self._order(), forward=forward)

    def _after(self, statement: Select[Any], place: Place | None, *, forward: bool) -> Select[Any]:
        if place is None:
            return statement
        order = self._order()
        there = tuple_(literal(place.value, order[0].type), literal(place.id, self._id.type))
        here = tuple_(*order)
        return statement.where(here < there if self._sort.descending is forward else here > there)

    def _ordered(
        self, statement: Select[Any], order: tuple[ColumnElement[Any], ...], *, forward: bool
    ) -> Select[Any]:
        descending = self._sort.descending is forward
        return statement.order_by(*(column.desc() if descending else column.asc() for column in order))

    def _with_state(self, statement: Select[Any]) -> Select[Any]:
        statement = statement.select_from(self._facts)
        if self._wanted.at is None:
            return statement
        known = and_(SampleState.sample_id == Sample.id, _valid_at(self._wanted.at))
        return statement.outerjoin(SampleState, known)

    @property
    def columns(self) -> tuple[Any, ...]:
        """What `listed` needs."""
        if self._wanted.at is None:
            return (self._facts,)
        return (
            Sample,
            SampleState.revision,
            SampleState.annotation_count,
            SampleState.labeled_by,
            SampleState.begins_at,
        )

    def listed(self, row: Any) -> Listed:
        """A row of `columns` as a list shows it."""
        if self._wanted.at is None:
            facts = row[0]
            state = DocumentState(facts.revision, facts.annotation_count, facts.labeled_by, facts.labeled_at)
            return Listed(facts if self._facts is Sample else pins.as_sample(facts), state)
        sample, revision, count, labeled_by, begins_at = row
        state = DocumentState(revision or 0, count or 0, labeled_by, begins_at if count else None)
        return Listed(sample, state)

    @property
    def _count(self) -> ColumnElement[int]:
        if self._wanted.at is None:
            counted: ColumnElement[int] = self._facts.annotation_count.expression
            return counted
        return func.coalesce(SampleState.annotation_count, 0)

    def _order(self) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        if self._led_by_label:
            return SampleLabel.created_at.expression, SampleLabel.sample_id.expression
        columns: dict[SortKey, ColumnElement[Any]] = {
            SortKey.CREATED_AT: self._facts.created_at.expression,
            SortKey.NAME: collate(self._facts.name, "C"),
            SortKey.SIZE: self._facts.size_bytes.expression,
            SortKey.ANNOTATION_COUNT: self._count,
        }
        return columns[self._sort.key], self._id.expression

    def _conditions(self) -> list[Condition]:
        return [
            self._facts.dataset_id == self._dataset_id,
            *self._of_presence(),
            *self._of_status(),
            *self._of_labels(),
            *self._of_time(),
            *self._of_name(),
            *self._of_path(),
            *self._of_labelers(),
            *self._of_objects(),
        ]

    def _of_presence(self) -> list[Condition]:
        if self._wanted.version is not None:
            # What was missing is in no version.
            missing = [false()] if self._wanted.status is Status.MISSING else []
            return [*pins.valid_in(self._wanted.version), *missing]
        if self._wanted.status is Status.MISSING:
            return [KEPT, Sample.missing_since.is_not(None)]
        return [PRESENT]

    def _of_status(self) -> list[Condition]:
        if self._wanted.status is Status.LABELED:
            return [(self._facts if self._wanted.at is None else SampleState).annotation_count > 0]
        if self._wanted.status is Status.UNLABELED:
            return [self._count == 0]
        return []

    def _of_labels(self) -> list[Condition]:
        ids = self._wanted.label_ids
        if not ids:
            return []
        every = self._wanted.label_match is LabelMatch.ALL
        # `sample_labels` counts what is present now, and knows nothing of the rest.
        if self._is_past or self._wanted.status is Status.MISSING:
            wanted = array(ids, type_=Sample.id.type)

            def has(state: Any) -> Condition:
                found: Condition = (
                    state.label_ids.contains(wanted) if every else state.label_ids.overlap(wanted)
                )
                return found

            return [has(SampleState) if self._wanted.at is not None else self._state_says(has)]
        if self._led_by_label:
            return [SampleLabel.label_id == ids[0], *map(_has_label, ids[1:])]
        return [_has_label(label_id) for label_id in ids] if every else [_has_label(*ids)]

    def _of_time(self) -> list[Condition]:
        wanted = self._wanted
        found: list[Condition] = []
        if wanted.created_within is not None:
            length = {_UNITS[wanted.created_within.unit]: wanted.created_within.count}
            found.append(self._facts.created_at >= func.now() - _interval(**length))
        if wanted.created_after is not None:
            found.append(self._facts.created_at >= wanted.created_after)
        if wanted.created_before is not None:
            found.append(self._facts.created_at < wanted.created_before)
        if wanted.at is not None:
            found.append(self._facts.created_at <= wanted.at)
        return found

    def _of_name(self) -> list[Condition]:
        if self._wanted.name_contains is None:
            return []
        needle = self._wanted.name_contains
        name = SamplePath.folded_name if self._wanted.version is None else func.fold_name(VersionSample.name)
        named = select(SamplePath.sample_id).where(
            SamplePath.sample_id == self._id, *_name_says(self._dataset_id, needle, name)
        )
        # Many match: OFFSET keeps the planner, which takes the pieces of a word for independent and so
        # expects next to none, from finding them all first.
        return [(named.offset(0) if self._few is False else named).exists()]

    def _of_path(self) -> list[Condition]:
        return [] if self._wanted.path_prefix is None else _path_says(self._wanted.path_prefix, self._facts)

    def _of_labelers(self) -> list[Condition]:
        wanted = self._wanted
        found: list[Condition] = []
        if wanted.labeled_by:
            now = self._facts if wanted.at is None else SampleState
            found.append(now.labeled_by.in_(wanted.labeled_by))
        ever = exists().where(_PAST.sample_id == self._id, _PAST.annotation_count > 0)
        if wanted.at is not None:
            ever = ever.where(_PAST.begins_at <= wanted.at)
        if wanted.version is not None:
            ever = ever.where(_PAST.revision <= VersionSample.revision)
        if wanted.never_labeled is not None:
            found.append(~ever if wanted.never_labeled else ever)
            if wanted.never_labeled:
                # It follows, and leads to the index of the unlabeled.
                found.append(self._count == 0)
        if wanted.not_labeled_by:
            found.append(~ever.where(_PAST.labeled_by.in_(wanted.not_labeled_by)))
        return found

    def _of_objects(self) -> list[Condition]:
        wanted = self._wanted
        found: list[Condition] = []
        if wanted.difficult is not None:
            difficult = self._state_says(lambda state: state.difficult)
            found.append(difficult if wanted.difficult else ~difficult)
        if wanted.changed is not None:
            at = self._facts.changed_at
            found.append(at.is_not(None) if wanted.changed else at.is_(None))
        for key, value in wanted.attributes:
            term = array([f"{key}:{value}"])
            found.append(self._state_says(lambda state, term=term: state.attribute_terms.contains(term)))
        return found

    def _state_says(self, says: Any) -> Condition:
        if self._wanted.at is not None:
            return func.coalesce(says(SampleState), False)
        then = (
            _PAST.ends_at.is_(None)
            if self._wanted.version is None
            else _PAST.revision == VersionSample.revision
        )
        return exists().where(_PAST.sample_id == self._id, then, says(_PAST))


def _few_match(session: Session, dataset_id: UUID, wanted: SampleFilter) -> bool | None:
    """Whether so few match name or path that finding and sorting them all is cheap; None: neither is asked."""
    asked: list[tuple[Select[Any], int]] = []
    if wanted.name_contains is not None:
        says = _name_says(dataset_id, wanted.name_contains)
        asked.append((select(SamplePath.sample_id).where(*says), FEW_NAMES))
    if wanted.path_prefix is not None:
        # Of a version: among all its dataset's, which is as good to choose by.
        facts = Sample if wanted.version is None else VersionSample
        below = (facts.dataset_id == dataset_id, *_path_says(wanted.path_prefix, facts))
        asked.append((select(facts.object_key).where(*below), FEW_PATHS))
    if not asked:
        return None
    for matching, few in asked:
        some = matching.limit(few + 1).subquery()
        if (session.scalar(select(func.count()).select_from(some)) or 0) <= few:
            return True
    return False


def _name_says(dataset_id: UUID, needle: str, name: Any = None) -> list[Condition]:
    """name: the folded name that is meant; None: today's."""
    folded = func.fold_name(needle)
    return [
        SamplePath.grams.contains(func.needle_grams(dataset_id, folded)),
        # The grams say where to look; this says what is there.
        func.strpos(SamplePath.folded_name if name is None else name, folded) > 0,
    ]


def _path_says(prefix: str, facts: Any) -> list[Condition]:
    key = collate(facts.object_key, "C")
    end = next_prefix(prefix)
    return [key >= prefix] if end is None else [key >= prefix, key < end]


def _place(listed: Listed, sort: Sort) -> Place:
    return Place(_value(listed.sample, listed.state.annotation_count, sort), listed.sample.id)


def _value(sample: Sample, annotation_count: int, sort: Sort) -> Any:
    return {
        SortKey.CREATED_AT: sample.created_at,
        SortKey.NAME: sample.name,
        SortKey.SIZE: sample.size_bytes,
        SortKey.ANNOTATION_COUNT: annotation_count,
    }[sort.key]


_PAST = aliased(SampleState)


def _valid_at(time: datetime) -> Condition:
    return and_(SampleState.begins_at <= time, or_(SampleState.ends_at.is_(None), SampleState.ends_at > time))


def _has_label(*label_ids: UUID) -> Condition:
    return exists().where(_OF_LABEL.sample_id == Sample.id, _OF_LABEL.label_id.in_(label_ids))


def _interval(*, hours: int = 0, days: int = 0, weeks: int = 0, months: int = 0, years: int = 0) -> Any:
    return func.make_interval(years, months, weeks, days, hours)


_OF_LABEL = aliased(SampleLabel)


class _Explain(Executable, ClauseElement):
    """What the planner expects of a statement."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]):
        self.statement = statement


@compiles(_Explain)
def _compile_explain(element: _Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"
