"""What makes one state of a dataset of another: of two versions, or of a version and the working state.

Of two versions only rows are looked at that hold for one of them alone, so comparing costs what has changed.
Against the working state all samples are joined, unless the fingerprints say that nothing has changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, Uuid, select, text
from sqlalchemy.orm import Session

from fourpoint_core.domain.history import FIELD_OF_COLUMN
from fourpoint_core.domain.versions import Change
from fourpoint_core.store.models import Label, Version
from fourpoint_core.store.queries import pins

_FACTS = "revision, content_revision, digest, object_key, name, annotation_count"
_WORKING = """
    SELECT id AS sample_id, revision,
        CASE WHEN copied_in = revision THEN copied_revision ELSE revision END AS content_revision,
        digest, object_key, name, annotation_count
    FROM samples WHERE dataset_id = :dataset_id AND trashed_at IS NULL AND missing_since IS NULL
"""
_PINNED = f"""
    SELECT sample_id, {_FACTS} FROM version_samples
    WHERE dataset_id = :dataset_id AND from_number <= :{{side}} AND (to_number IS NULL OR to_number > :{{side}})
"""  # noqa: S608 - constants
# A row that both versions have makes no difference: the earlier one has only rows that end before the later.
_ENDS = " AND to_number <= :{other}"
_BEGINS = " AND from_number > :{other}"
_NOTHING = f"SELECT sample_id, {_FACTS} FROM version_samples WHERE false"  # noqa: S608 - constants

_DIFFER = ", ".join(f"{{side}}.{column}" for column in FIELD_OF_COLUMN)
_OBJECTS = """
    SELECT * FROM annotations
    WHERE sample_id = coalesce(before.sample_id, after.sample_id) AND valid_from <= {side}.revision
        AND (valid_to IS NULL OR valid_to > {side}.revision)
        AND before.content_revision IS DISTINCT FROM after.content_revision
"""
_CHANGES = """
    SELECT coalesce(before.sample_id, after.sample_id) AS sample_id,
        coalesce(after.name, before.name) AS name,
        before.revision AS revision_before, after.revision AS revision_after,
        CASE WHEN before.sample_id IS NULL THEN 'added' WHEN after.sample_id IS NULL THEN 'removed'
            ELSE 'changed' END AS change,
        before.digest IS DISTINCT FROM after.digest AND before.digest IS NOT NULL AND after.digest IS NOT NULL
            AS other_image,
        before.object_key <> after.object_key OR before.name <> after.name AS moved,
        objects.added, objects.changed, objects.removed
    FROM ({before}) before FULL JOIN ({after}) after ON after.sample_id = before.sample_id
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE old.annotation_id IS NULL) AS added,
            count(*) FILTER (WHERE new.annotation_id IS NULL) AS removed,
            count(*) FILTER (WHERE ({old}) IS DISTINCT FROM ({new}) AND old.annotation_id IS NOT NULL
                AND new.annotation_id IS NOT NULL) AS changed
        FROM ({old_objects}) old FULL JOIN ({new_objects}) new ON new.annotation_id = old.annotation_id
    ) objects
    WHERE before.sample_id IS NULL OR after.sample_id IS NULL OR before.digest <> after.digest
        OR before.object_key <> after.object_key OR before.name <> after.name
        OR objects.added + objects.changed + objects.removed > 0
"""
_PAGE = """
    SELECT * FROM ({changes}) changes
    WHERE sample_id > :place AND (CAST(:change AS text) IS NULL OR change = :change)
    ORDER BY sample_id LIMIT :limit
"""
_COUNTS = """
    SELECT change, count(*) AS samples, sum(added)::bigint AS added, sum(changed)::bigint AS changed,
        sum(removed)::bigint AS removed
    FROM ({changes}) changes GROUP BY change
"""


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared. before: None is nothing at all; after: None is the working state."""

    dataset_id: UUID
    before: Version | None
    after: Version | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of each kind of change."""

    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class SampleChange:
    """A sample that differs, and how many of its objects do. Revisions: None where it is not there.

    other_image: its file has other bytes; moved: another name or key.
    """

    sample_id: UUID
    name: str
    change: Change
    revision_before: int | None
    revision_after: int | None
    other_image: bool
    moved: bool
    annotations: Counts


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A label that differs; None on the side where it is not there."""

    before: Label | None
    after: Label | None


def list_changes(
    session: Session, sides: Sides, change: Change | None, after: UUID | None, limit: int
) -> tuple[Sequence[SampleChange], UUID | None]:
    """Some samples that differ, in the order of their ids, and the last of them if there are more.

    change: only those; None: all.
    """
    values = {"place": after or UUID(int=0), "change": change, "limit": limit + 1}
    statement = _statement(_PAGE, sides).columns(sample_id=Uuid)
    rows = [_as_change(row) for row in session.execute(statement, {**_numbers(sides), **values})]
    page = rows[:limit]
    return page, page[-1].sample_id if len(rows) > limit else None


def count_changes(session: Session, sides: Sides) -> tuple[Counts, Counts]:
    """How many samples differ in what way, and how many objects do."""
    rows = {row.change: row for row in session.execute(_statement(_COUNTS, sides), _numbers(sides))}
    samples = {change: rows[change].samples if change in rows else 0 for change in Change}
    objects = {change: sum(getattr(row, change) for row in rows.values()) for change in Change}
    return Counts(**samples), Counts(**objects)


def label_changes(session: Session, sides: Sides) -> list[LabelChange]:
    """The labels that differ in name, colour or shortcut, or that only one side has."""
    before = _labels(session, sides, sides.before) if sides.before is not None else {}
    after = _labels(session, sides, sides.after)
    everything = sorted({**before, **after}.values(), key=lambda label: label.mask_index)
    changes = [LabelChange(before.get(label.id), after.get(label.id)) for label in everything]
    return [one for one in changes if _said(one.before) != _said(one.after)]


def _labels(session: Session, sides: Sides, version: Version | None) -> dict[UUID, Label]:
    if version is not None:
        return {label.id: label for label in pins.labels_of(session, version.id)}
    present = select(Label).where(Label.dataset_id == sides.dataset_id, Label.deleted_at.is_(None))
    return {label.id: label for label in session.scalars(present)}


def _said(label: Label | None) -> tuple[str, str, str | None] | None:
    return None if label is None else (label.name, label.colour, label.shortcut)


def _statement(frame: str, sides: Sides) -> TextClause:
    changes = _CHANGES.format(
        before=_NOTHING if sides.before is None else _side(sides, "before"),
        after=_WORKING if sides.after is None else _side(sides, "after"),
        old=_DIFFER.format(side="old"),
        new=_DIFFER.format(side="new"),
        old_objects=_OBJECTS.format(side="before"),
        new_objects=_OBJECTS.format(side="after"),
    )
    return text(frame.format(changes=changes))


def _side(sides: Sides, side: str) -> str:
    other = "after" if side == "before" else "before"
    pinned = _PINNED.format(side=side)
    if sides.before is None or sides.after is None:
        return pinned
    is_earlier = (sides.before.number < sides.after.number) == (side == "before")
    return pinned + (_ENDS if is_earlier else _BEGINS).format(other=other)


def _numbers(sides: Sides) -> dict[str, Any]:
    found: dict[str, Any] = {"dataset_id": sides.dataset_id}
    if sides.before is not None:
        found["before"] = sides.before.number
    if sides.after is not None:
        found["after"] = sides.after.number
    return found


def _as_change(row: Any) -> SampleChange:
    return SampleChange(
        row.sample_id,
        row.name,
        Change(row.change),
        row.revision_before,
        row.revision_after,
        bool(row.other_image),
        bool(row.moved),
        Counts(row.added, row.changed, row.removed),
    )
