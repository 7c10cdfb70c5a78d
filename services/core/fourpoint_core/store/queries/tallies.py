"""Counts of a dataset: exact at every moment, and nobody who saves waits for a counter.

A count is what has been folded plus the changes that have not; both are read in one statement, so a fold
that happens at this moment is seen whole or not at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Date, Row, select, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.orm import Session

from fourpoint_core.store.models import Dataset
from fourpoint_core.store.queries import pins

DELTAS_AT_ONCE = 20_000
_NO_DAY = date(1970, 1, 1)

_SUMS = """
    SELECT subject, day, sum(images)::bigint AS images, sum(objects)::bigint AS objects
    FROM (
        SELECT subject, day, images, objects FROM tallies
        WHERE dataset_id = :owner AND kind = :kind AND day BETWEEN :first AND :last
        UNION ALL
        SELECT subject, day, images, objects FROM tally_deltas
        WHERE dataset_id = :owner AND kind = :kind AND day BETWEEN :first AND :last
    ) parts
    GROUP BY subject, day
    HAVING sum(images) <> 0 OR sum(objects) <> 0
"""
_SUMS_OF_LABELS = text(
    f"""
    SELECT label.id, label.name, label.colour, label.shortcut, label.mask_index,
        coalesce(sums.images, 0) AS images, coalesce(sums.objects, 0) AS objects
    FROM labels label LEFT JOIN ({_SUMS}) sums ON sums.subject = label.id
    WHERE label.dataset_id = :owner AND label.deleted_at IS NULL
    ORDER BY label.mask_index
    """  # noqa: S608 - constants
).columns(id=UuidType)
# In the order of days, which is none where all are one; the name by code points, the same on every server.
_OF_PEOPLE = """
    SELECT sums.subject::text, person.name, sums.day, sums.images, sums.objects
    FROM ({sums}) sums JOIN users person ON person.id = sums.subject
    ORDER BY sums.day, CASE WHEN :kind = 'labeler' THEN -sums.images END, person.name COLLATE "C", person.id
"""
_SUMS_OF_PEOPLE = text(_OF_PEOPLE.format(sums=_SUMS))
# How many images a dataset has, by `owner`; a row in every case.
TOTALS = """
    SELECT coalesce(sum(images) FILTER (WHERE kind = 'sample'), 0)::bigint AS total,
        coalesce(sum(images) FILTER (WHERE kind = 'labeled'), 0)::bigint AS labeled,
        coalesce(sum(images) FILTER (WHERE kind = 'missing'), 0)::bigint AS missing
    FROM (
        SELECT kind, images FROM tallies
        WHERE dataset_id = :owner AND kind IN ('sample', 'labeled', 'missing')
        UNION ALL
        SELECT kind, images FROM tally_deltas
        WHERE dataset_id = :owner AND kind IN ('sample', 'labeled', 'missing')
    ) parts
"""
_TOTALS = text(TOTALS)
# The same of a version, where nothing is left to be added up.
_SUMS_OF_VERSION = """
    SELECT subject, day, images, objects FROM version_tallies
    WHERE version_id = :owner AND kind = :kind AND day BETWEEN :first AND :last
"""
_LABELS_OF_VERSION = text(_SUMS_OF_VERSION).columns(subject=UuidType)
_PEOPLE_OF_VERSION = text(_OF_PEOPLE.format(sums=_SUMS_OF_VERSION))
_TOTALS_OF_VERSION = text(
    """
    SELECT coalesce(sum(images) FILTER (WHERE kind = 'sample'), 0)::bigint AS total,
        coalesce(sum(images) FILTER (WHERE kind = 'labeled'), 0)::bigint AS labeled, 0 AS missing
    FROM version_tallies WHERE version_id = :owner
    """
)
_FOLD = text(
    """
    WITH taken AS (
        DELETE FROM tally_deltas WHERE id IN (
            SELECT id FROM tally_deltas ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
        ) RETURNING dataset_id, kind, subject, day, images, objects
    ), folded AS (
        INSERT INTO tallies (dataset_id, kind, subject, day, images, objects)
        SELECT dataset_id, kind, subject, day, sum(images), sum(objects) FROM taken
        GROUP BY dataset_id, kind, subject, day ORDER BY dataset_id, kind, day, subject
        ON CONFLICT (dataset_id, kind, day, subject) DO UPDATE
        SET images = tallies.images + excluded.images, objects = tallies.objects + excluded.objects
    )
    SELECT count(*) FROM taken
    """
)
# Truth and counters in one snapshot: what is saved meanwhile is in both or in neither.
_DIFFERENCES = """
    SELECT coalesce(truth.dataset_id, said.dataset_id) AS dataset_id,
        coalesce(truth.kind, said.kind) AS kind,
        coalesce(truth.subject, said.subject) AS subject,
        coalesce(truth.day, said.day) AS day,
        coalesce(said.images, 0) AS said_images, coalesce(said.objects, 0) AS said_objects,
        coalesce(truth.images, 0) AS images, coalesce(truth.objects, 0) AS objects
    FROM (SELECT * FROM tally_truth WHERE dataset_id = :dataset_id) truth
    FULL JOIN (SELECT * FROM tally_sums WHERE dataset_id = :dataset_id) said USING (kind, subject, day)
    WHERE (coalesce(truth.images, 0), coalesce(truth.objects, 0))
        <> (coalesce(said.images, 0), coalesce(said.objects, 0))
"""
_MEND = text(
    f"""
    WITH found AS ({_DIFFERENCES}), mended AS (
        INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
        SELECT dataset_id, kind, subject, day, images - said_images, objects - said_objects FROM found
    )
    SELECT * FROM found ORDER BY kind, day, subject
    """  # noqa: S608 - constants
).columns(subject=UuidType, day=Date)
_ADRIFT = """
    SELECT sample.id FROM samples sample
    LEFT JOIN LATERAL (
        SELECT array_agg(ARRAY[label_id::text, objects::text] ORDER BY label_id) AS said
        FROM sample_labels WHERE sample_id = sample.id
    ) present ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(ARRAY[label_id::text, objects::text] ORDER BY label_id) AS meant
        FROM (
            SELECT label_id, count(*) AS objects FROM annotations
            WHERE sample_id = sample.id AND valid_to IS NULL
                AND sample.trashed_at IS NULL AND sample.missing_since IS NULL
            GROUP BY label_id
        ) current
    ) wanted ON true
    LEFT JOIN sample_states state ON state.sample_id = sample.id AND state.revision = sample.revision
    WHERE sample.id IN (
            SELECT id FROM samples WHERE dataset_id = :dataset_id AND id > :after ORDER BY id LIMIT :limit
        )
        AND (present.said IS DISTINCT FROM wanted.meant
            OR (sample.revision > 0 AND (state.ends_at, state.annotation_count)
                IS DISTINCT FROM (NULL::timestamptz, sample.annotation_count)))
"""


@dataclass(frozen=True, slots=True)
class SampleTotals:
    """How far a dataset is: `labeled` images have at least one annotation.

    missing: images whose files are gone from the bucket; they are not in the total.
    """

    total: int
    labeled: int
    missing: int = 0


class Count(NamedTuple):
    """images: how many; objects: their annotations (of the label, where a label is counted)."""

    images: int
    objects: int


class ListedLabel(NamedTuple):
    """A label as it is shown; named as in `Label`."""

    id: UUID
    name: str
    colour: str
    shortcut: str | None
    mask_index: int


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A label of the dataset and how often it is used."""

    label: ListedLabel
    count: Count


class LabelerCount(NamedTuple):
    """A person, and what is labeled with their last save; day: of that save in UTC, None: on all days.

    user_id: as text, since it is written out again and nothing else.
    """

    user_id: str
    name: str
    day: date | None
    images: int
    objects: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter that said something else than the rows it counts."""

    kind: str
    subject: UUID
    day: date | None
    said: Count
    counted: Count


def sample_totals(session: Session, dataset_id: UUID, version: UUID | None = None) -> SampleTotals:
    """How many images a dataset has, and how many of them are labeled.

    version: as it was when that was published; None: as it is. So in what follows.
    """
    statement, owner = (_TOTALS, dataset_id) if version is None else (_TOTALS_OF_VERSION, version)
    return SampleTotals(*session.connection().execute(statement, {"owner": owner}).one())


def by_label(session: Session, dataset_id: UUID, version: UUID | None = None) -> list[LabelCount]:
    """Every label of the dataset with its images and objects, in the order the labels were made."""
    if version is not None:
        return _labels_of_version(session, version)
    rows = session.connection().execute(_SUMS_OF_LABELS, _values(dataset_id, "label"))
    return [LabelCount(ListedLabel._make(row[:5]), Count._make(row[5:])) for row in rows]


def by_labeler(session: Session, dataset_id: UUID, version: UUID | None = None) -> list[LabelerCount]:
    """Everybody whose work is in the dataset, most images first."""
    rows = _people(session, _values(dataset_id, "labeler", version=version), version)
    return [LabelerCount._make(row)._replace(day=None) for row in rows]


def by_day(
    session: Session, dataset_id: UUID, first: date, last: date, version: UUID | None = None
) -> list[LabelerCount]:
    """Per labeler and day, in the order of days; both ends are included."""
    rows = _people(session, _values(dataset_id, "labeler_day", first, last, version), version)
    return [LabelerCount._make(row) for row in rows]


def fold(session: Session, limit: int = DELTAS_AT_ONCE) -> int:
    """Add the oldest changes to the counters they belong to; returns how many. Savers wait for none of it."""
    count: int = session.execute(_FOLD, {"limit": limit}).scalar_one()
    return count


def mend(session: Session, dataset_id: UUID) -> list[Difference]:
    """Count the rows, correct the counters that differ, and say which; savers go on meanwhile."""
    return [
        Difference(
            row.kind,
            row.subject,
            None if row.day == _NO_DAY else row.day,
            Count(row.said_images, row.said_objects),
            Count(row.images, row.objects),
        )
        for row in session.execute(_MEND, {"dataset_id": dataset_id})
    ]


def settle_again(session: Session, dataset_id: UUID, after: UUID, limit: int) -> tuple[UUID | None, int]:
    """Derive again what filters ask, where it differs from the documents; `limit` samples above `after`.

    Returns the last sample looked at (None at the end), and how many were wrong.
    """
    last = session.scalar(
        text(
            "SELECT max(id::text)::uuid FROM (SELECT id FROM samples WHERE dataset_id = :dataset_id"
            " AND id > :after ORDER BY id LIMIT :limit) part"
        ).columns(max=UuidType),
        {"dataset_id": dataset_id, "after": after, "limit": limit},
    )
    if last is None:
        return None, 0
    adrift = session.scalars(text(_ADRIFT), {"dataset_id": dataset_id, "after": after, "limit": limit}).all()
    if adrift:
        ids = {"ids": [str(one) for one in adrift]}
        # The sample's row is the lock of its document: no save comes between reading and deriving.
        session.execute(
            text("SELECT FROM samples WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE"), ids
        )
        session.execute(text("SELECT settle_samples(CAST(:ids AS uuid[]))"), ids)
    return last, len(adrift)


def forget_dataset(session: Session, dataset_id: UUID) -> None:
    """Remove the counters of a dataset that is being removed."""
    for table in ("tallies", "tally_deltas"):
        session.execute(text(f"DELETE FROM {table} WHERE dataset_id = :id"), {"id": dataset_id})  # noqa: S608


def dataset_ids(session: Session) -> Sequence[UUID]:
    """All datasets there are, oldest first."""
    return session.scalars(
        select(Dataset.id).where(Dataset.deleted_at.is_(None)).order_by(Dataset.created_at, Dataset.id)
    ).all()


def _labels_of_version(session: Session, version: UUID) -> list[LabelCount]:
    rows = session.connection().execute(_LABELS_OF_VERSION, _values(version, "label"))
    counts = {row.subject: Count(row.images, row.objects) for row in rows}
    return [
        LabelCount(
            ListedLabel(label.id, label.name, label.colour, label.shortcut, label.mask_index),
            counts.get(label.id, Count(0, 0)),
        )
        for label in pins.labels_of(session, version)
    ]


def _people(session: Session, values: dict[str, Any], version: UUID | None) -> Iterable[Row[Any]]:
    return session.connection().execute(_SUMS_OF_PEOPLE if version is None else _PEOPLE_OF_VERSION, values)


def _values(
    dataset_id: UUID, kind: str, first: date = _NO_DAY, last: date = _NO_DAY, version: UUID | None = None
) -> dict[str, Any]:
    owner = dataset_id if version is None else version
    return {"owner": owner, "kind": kind, "first": first, "last": last}
