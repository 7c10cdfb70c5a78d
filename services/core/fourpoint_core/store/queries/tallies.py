"""Counts of a dataset: exact at every moment, and nobody who saves waits for a counter.

A count is what has been folded plus the changes that have not; both are read in one statement, so a fold
that happens at this moment is seen whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import Date, select, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.orm import Session

from fourpoint_core.store.models import Dataset, Label, User
from fourpoint_core.store.queries import pins

DELTAS_AT_ONCE = 20_000
_NO_DAY = date(1970, 1, 1)

_SUMS = text(
    """
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
).columns(subject=UuidType, day=Date)
_TOTALS = text(
    """
    SELECT kind, sum(images)::bigint AS images
    FROM (
        SELECT kind, images FROM tallies
        WHERE dataset_id = :owner AND kind IN ('sample', 'labeled', 'missing')
        UNION ALL
        SELECT kind, images FROM tally_deltas
        WHERE dataset_id = :owner AND kind IN ('sample', 'labeled', 'missing')
    ) parts
    GROUP BY kind
    """
)
# The same of a version, where nothing is left to be added up.
_SUMS_OF_VERSION = text(
    """
    SELECT subject, day, images, objects FROM version_tallies
    WHERE version_id = :owner AND kind = :kind AND day BETWEEN :first AND :last
    """
).columns(subject=UuidType, day=Date)
_TOTALS_OF_VERSION = text(
    "SELECT kind, images FROM version_tallies WHERE version_id = :owner AND kind IN ('sample', 'labeled')"
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


@dataclass(frozen=True, slots=True)
class Count:
    """images: how many; objects: their annotations (of the label, where a label is counted)."""

    images: int
    objects: int


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A label of the dataset and how often it is used."""

    label: Label
    count: Count


@dataclass(frozen=True, slots=True)
class LabelerCount:
    """A person, and what is labeled with their last save; day: of that save in UTC, None: on all days."""

    user: User
    day: date | None
    count: Count


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
    found = {row.kind: row.images for row in session.execute(statement, {"owner": owner})}
    return SampleTotals(found.get("sample", 0), found.get("labeled", 0), found.get("missing", 0))


def by_label(session: Session, dataset_id: UUID, version: UUID | None = None) -> list[LabelCount]:
    """Every label of the dataset with its images and objects, in the order the labels were made."""
    counts = {subject: count for subject, _, count in _sums(session, dataset_id, "label", version=version)}
    labels = _labels(session, dataset_id) if version is None else pins.labels_of(session, version)
    return [LabelCount(label, counts.get(label.id, Count(0, 0))) for label in labels]


def by_labeler(session: Session, dataset_id: UUID, version: UUID | None = None) -> list[LabelerCount]:
    """Everybody whose work is in the dataset, most images first."""
    found = _of_people(session, _sums(session, dataset_id, "labeler", version=version))
    return sorted(
        (LabelerCount(user, None, count) for user, _, count in found),
        key=lambda one: (-one.count.images, one.user.name),
    )


def by_day(
    session: Session, dataset_id: UUID, first: date, last: date, version: UUID | None = None
) -> list[LabelerCount]:
    """Per labeler and day, in the order of days; both ends are included."""
    sums = _sums(session, dataset_id, "labeler_day", first, last, version)
    found = [LabelerCount(user, day, count) for user, day, count in _of_people(session, sums)]
    return sorted(found, key=lambda one: (one.day or _NO_DAY, one.user.name))


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


def _labels(session: Session, dataset_id: UUID) -> Sequence[Label]:
    return session.scalars(
        select(Label)
        .where(Label.dataset_id == dataset_id, Label.deleted_at.is_(None))
        .order_by(Label.mask_index)
    ).all()


def _sums(
    session: Session,
    dataset_id: UUID,
    kind: str,
    first: date = _NO_DAY,
    last: date = _NO_DAY,
    version: UUID | None = None,
) -> list[tuple[UUID, date, Count]]:
    statement, owner = (_SUMS, dataset_id) if version is None else (_SUMS_OF_VERSION, version)
    rows = session.execute(statement, {"owner": owner, "kind": kind, "first": first, "last": last})
    return [(row.subject, row.day, Count(row.images, row.objects)) for row in rows]


def _of_people(session: Session, sums: Sequence[tuple[UUID, date, Count]]) -> list[tuple[User, date, Count]]:
    ids = {subject for subject, _, _ in sums}
    users = {user.id: user for user in session.scalars(select(User).where(User.id.in_(ids)))}
    return [(users[subject], day, count) for subject, day, count in sums]
