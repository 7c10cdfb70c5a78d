"""One sample filter and one order as a statement.

The working state is read from `samples` and from what the triggers derive from documents; a past state from
`sample_states`; a published version from what it pinned. Every condition that can be rare has an index of its
own, and so have the orders; which of them leads is the planner's choice.
"""

import unicodedata
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    collate,
    exists,
    false,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import InstrumentedAttribute, aliased

from fourpoint_core.domain.filters import LabelMatch, SampleFilter, Sort, SortKey, Status, next_prefix
from fourpoint_core.store.models import (
    Annotation,
    InferredContour,
    Sample,
    SampleLabel,
    SamplePath,
    SampleState,
    VersionSample,
)
from fourpoint_core.store.models.samples import KEPT, PRESENT
from fourpoint_core.store.queries import pins
from fourpoint_core.store.queries.sample_rows import AS_IT_IS, AS_IT_STOOD, AS_PUBLISHED

Condition = ColumnElement[bool]
# The place that a page begins after, in the statement's parameters.
PLACE_VALUE, PLACE_ID = "place_value", "place_id"
_IS_DOUBTED = exists().where(InferredContour.id == Annotation.contour_id, ~InferredContour.confident)
_UNITS = {"h": "hours", "d": "days", "w": "weeks", "mo": "months", "y": "years"}


class SampleQuery:
    """One filter and one order over one dataset."""

    def __init__(
        self,
        dataset_id: UUID | ColumnElement[UUID],
        wanted: SampleFilter,
        sort: Sort,
        *,
        few: bool | None = None,
        place: tuple[ColumnElement[Any], ColumnElement[UUID]] | None = None,
    ):
        """few: what `_few_match` said; None: the planner decides.

        place: value and id, where they are columns of an enclosing statement; None: parameters.
        """
        self._few = few
        self._place = place
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

    @property
    def columns(self) -> tuple[Any, ...]:
        """What makes a ListedSample."""
        if self._wanted.version is not None:
            return AS_PUBLISHED
        return AS_IT_IS if self._wanted.at is None else AS_IT_STOOD

    def page(self, limit: int, *, from_start: bool) -> Select[Any]:
        """`columns` of the first `limit` samples, or of those after a place."""
        if not self._few:
            return self.in_order(self.select(*self.columns), from_start=from_start).limit(limit)
        found = self._page_of_few(limit, from_start=from_start, forward=True).subquery()
        statement = self._with_state(select(*self.columns)).join(found, found.c.id == self._id)
        if self._wanted.version is not None:
            statement = statement.where(*pins.valid_in(self._wanted.version))
        return self._ordered(statement, self._order(), forward=True)

    def id_beside(self, *, forward: bool) -> Select[Any]:
        """The id of the sample after a place, or before it."""
        if self._few:
            found = self._page_of_few(1, from_start=False, forward=forward).subquery()
            return select(found.c.id)
        return self.in_order(self.select(self._id), from_start=False, forward=forward).limit(1)

    def _page_of_few(self, limit: int, *, from_start: bool, forward: bool) -> Select[Any]:
        # Few match, and the order may meet them last. OFFSET keeps the planner from reading in order: it
        # finds them all by the condition that is rare, and sorts.
        matching = self.select(self._id.label("id"), self._order()[0].label("value"))
        if not from_start:
            matching = self._after(matching, forward=forward)
        inner = matching.offset(0).subquery()
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

    def in_order(self, statement: Select[Any], *, from_start: bool = True, forward: bool = True) -> Select[Any]:
        """`statement` in order: all, or what comes after a place; backward: before it, in the reverse order."""
        if not from_start:
            statement = self._after(statement, forward=forward)
        return self._ordered(statement, self._order(), forward=forward)

    def _after(self, statement: Select[Any], *, forward: bool) -> Select[Any]:
        value, row_id = self._order()
        here = tuple_(value, row_id)
        there = tuple_(
            *self._place or (bindparam(PLACE_VALUE, type_=value.type), bindparam(PLACE_ID, type_=row_id.type))
        )
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
        return statement.outerjoin(SampleState, stood_at(self._wanted.at))

    @property
    def _count(self) -> ColumnElement[int]:
        return sorted_by(SortKey.ANNOTATION_COUNT, self._facts, self._wanted.at)

    def _order(self) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        if self._led_by_label:
            return SampleLabel.created_at.expression, SampleLabel.sample_id.expression
        return sorted_by(self._sort.key, self._facts, self._wanted.at), self._id.expression

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
        created_at = (SampleLabel if self._led_by_label else self._facts).created_at
        found: list[Condition] = []
        if wanted.created_within is not None:
            length = {_UNITS[wanted.created_within.unit]: wanted.created_within.count}
            found.append(created_at >= func.now() - _interval(**length))
        if wanted.created_after is not None:
            found.append(created_at >= wanted.created_after)
        if wanted.created_before is not None:
            found.append(created_at < wanted.created_before)
        if wanted.at is not None:
            found.append(created_at <= wanted.at)
        return found

    def _of_name(self) -> list[Condition]:
        if self._wanted.name_contains is None:
            return []
        needle = self._wanted.name_contains
        name = SamplePath.folded_name if self._wanted.version is None else func.fold_name(VersionSample.name)
        named = select(SamplePath.sample_id).where(
            SamplePath.sample_id == self._id, *name_says(self._dataset_id, needle, name)
        )
        # Many match: OFFSET keeps the planner, which takes the pieces of a word for independent and so
        # expects next to none, from finding them all first.
        return [(named.offset(0) if self._few is False else named).exists()]

    def _of_path(self) -> list[Condition]:
        return [] if self._wanted.path_prefix is None else path_says(self._wanted.path_prefix, self._facts)

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
        if wanted.unconfirmed is not None:
            waits = self._has_unconfirmed()
            found.append(waits if wanted.unconfirmed else ~waits)
        if wanted.unsure is not None:
            doubted = self._has_unconfirmed(_IS_DOUBTED)
            found.append(doubted if wanted.unsure else ~doubted)
        for key, value in wanted.attributes:
            term = array([f"{key}:{value}"])
            found.append(self._state_says(lambda state, term=term: state.attribute_terms.contains(term)))
        return found

    def _has_unconfirmed(self, *also: Condition) -> Condition:
        mine = (Annotation.sample_id == self._id, Annotation.unconfirmed, *also)
        if not self._is_past:
            return exists().where(*mine, Annotation.valid_to.is_(None))
        revision = SampleState.revision if self._wanted.version is None else VersionSample.revision
        return exists().where(
            *mine,
            Annotation.valid_from <= revision,
            or_(Annotation.valid_to.is_(None), Annotation.valid_to > revision),
        )

    def _state_says(self, says: Any) -> Condition:
        if self._wanted.at is not None:
            return func.coalesce(says(SampleState), False)
        then = (
            _PAST.ends_at.is_(None)
            if self._wanted.version is None
            else _PAST.revision == VersionSample.revision
        )
        return exists().where(_PAST.sample_id == self._id, then, says(_PAST))


def name_says(dataset_id: UUID | ColumnElement[UUID], needle: str, name: Any = None) -> list[Condition]:
    """The conditions that a name has the needle in it. name: the folded one that is meant; None: today's."""
    folded = func.fold_name(needle)
    return [
        SamplePath.grams.contains(func.needle_grams(dataset_id, folded)),
        # The grams say where to look; this says what is there.
        func.strpos(SamplePath.folded_name if name is None else name, folded) > 0,
    ]


def path_says(prefix: str, facts: Any) -> list[Condition]:
    """The conditions that the object key begins so, in whichever Unicode form. facts: the model that has it."""
    key = collate(facts.object_key, "C")
    # Keys are the bucket's, byte by byte; people type one form and see no difference.
    forms = sorted({prefix, *(unicodedata.normalize(form, prefix) for form in ("NFC", "NFD"))})
    ranges = [
        and_(key >= form) if (end := next_prefix(form)) is None else and_(key >= form, key < end)
        for form in forms
    ]
    return [or_(*ranges)]


COLUMN_OF = {
    SortKey.CREATED_AT: "created_at",
    SortKey.NAME: "name",
    SortKey.SIZE: "size_bytes",
    SortKey.ANNOTATION_COUNT: "annotation_count",
}
_PAST = aliased(SampleState)


def stood_at(time: datetime) -> Condition:
    """The condition of a join that a sample's state is the one of that time."""
    return and_(
        SampleState.sample_id == Sample.id,
        SampleState.begins_at <= time,
        or_(SampleState.ends_at.is_(None), SampleState.ends_at > time),
    )


def sorted_by(key: SortKey, facts: Any, at: datetime | None) -> ColumnElement[Any]:
    """The value that an order is of. facts: the model that has it."""
    if key is SortKey.ANNOTATION_COUNT and at is not None:
        return func.coalesce(SampleState.annotation_count, 0)
    column: ColumnElement[Any] = getattr(facts, COLUMN_OF[key]).expression
    return collate(column, "C") if key is SortKey.NAME else column


def _has_label(*label_ids: UUID) -> Condition:
    return exists().where(_OF_LABEL.sample_id == Sample.id, _OF_LABEL.label_id.in_(label_ids))


def _interval(*, hours: int = 0, days: int = 0, weeks: int = 0, months: int = 0, years: int = 0) -> Any:
    return func.make_interval(years, months, weeks, days, hours)


_OF_LABEL = aliased(SampleLabel)
