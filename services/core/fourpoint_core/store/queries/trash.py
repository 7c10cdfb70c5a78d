"""Deleting samples: into the trash and back, and for good.

A sample in the trash keeps its row, its document and its key; `KEPT` is the condition by which everybody
else overlooks it. What is removed for good goes with all that hangs on it, except for what published versions
hold; and objects that go too are promised first, as uploads are, so that whoever dies in between leaves them
to the sweep.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    delete,
    exists,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from fourpoint_core.domain.access import Caller
from fourpoint_core.domain.deletion import Selection
from fourpoint_core.domain.versions import VersionState
from fourpoint_core.storage import derived
from fourpoint_core.store.models import (
    KEPT,
    Absence,
    Annotation,
    Dataset,
    Draft,
    ForgottenObject,
    InferredContour,
    Revision,
    Sample,
    Version,
    VersionSample,
)
from fourpoint_core.store.queries import contents_lock, members, pins, returning_labels, sample_filters, samples
from fourpoint_core.store.queries.paging import Keyset, Page

TRASHED: ColumnElement[bool] = and_(Sample.trashed_at.is_not(None), Sample.absence.is_(None))
# Where what is left of a sample that is gone for good has its key: no image of anybody's lies there.
_PURGED_KEYS = f"{derived.FOLDER}/purged/"


@dataclass(frozen=True, slots=True)
class Sharing:
    """A dataset, and how many of the selected samples have an object that it shows as well.

    name: None where the caller may not see the dataset.
    """

    dataset_id: UUID
    name: str | None
    samples: int


@dataclass(frozen=True, slots=True)
class Pinning:
    """A version, and how many of the selected samples it holds: it goes on without their files.

    name: None where the caller may not see its dataset.
    """

    version_id: UUID
    dataset_id: UUID
    name: str | None
    samples: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a deletion would do. annotations: objects in the current documents of the samples."""

    samples: int
    annotations: int
    sharing: list[Sharing]
    pinning: list[Pinning]


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of a selection. seen: how many were looked at, 0 at the end; taken: those that were changed."""

    seen: int
    taken: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Purged:
    """seen: how many were looked at, 0 at the end. samples: how many were removed for good.

    pinned: those of them that some version holds. condemned_keys: objects to be removed, which no sample
    refers to any more; shared_keys: those that another one does, and that stay. forgotten_digests: contents
    that no sample has any more.
    """

    seen: int
    samples: int
    pinned: int
    condemned_keys: list[str]
    shared_keys: list[str]
    forgotten_digests: list[str]


def selected(dataset_id: UUID, selection: Selection) -> Select[Any]:
    """The ids of the samples of a dataset that are selected and not in the trash."""
    if selection.filter is None:
        statement = select(Sample.id).where(Sample.dataset_id == dataset_id, KEPT, Sample.id.in_(selection.ids))
    else:
        statement = sample_filters.matching_ids(dataset_id, selection.filter).where(KEPT)
    if selection.until is not None:
        statement = statement.where(Sample.created_at <= selection.until)
    return statement


def count_up_to(session: Session, ids: Select[Any], limit: int) -> int:
    """How many there are; `limit` where there are as many or more."""
    return session.scalar(select(func.count()).select_from(ids.limit(limit).subquery())) or 0


def present_among(session: Session, ids: Select[Any]) -> set[UUID]:
    """Those ids that there are."""
    return set(session.scalars(ids))


def forecast(session: Session, dataset_id: UUID, ids: Select[Any], caller: Caller) -> Forecast:
    """What deleting these samples would do, and which datasets show the same objects."""
    wanted = ids.subquery()
    mine = aliased(Sample)
    samples, annotations = session.execute(
        select(func.count(), func.coalesce(func.sum(mine.annotation_count), 0)).join(
            wanted, wanted.c.id == mine.id
        )
    ).one()
    other = aliased(Sample)
    may_see = members.visible(caller, Dataset.id)
    rows = session.execute(
        select(Dataset.id, Dataset.name, may_see, func.count())
        .select_from(mine)
        .join(wanted, wanted.c.id == mine.id)
        .join(other, (other.object_key == mine.object_key) & (other.dataset_id != dataset_id))
        .join(Dataset, Dataset.id == other.dataset_id)
        .group_by(Dataset.id)
        .order_by(Dataset.id)
    )
    sharing = [Sharing(found, name if seen else None, count) for found, name, seen, count in rows]
    return Forecast(samples, annotations, sharing, _pinning(session, wanted, caller))


def objects_left_alone(session: Session, ids: Select[Any]) -> int:
    """How many objects only these samples refer to: they go where the samples go for good; see `purge`."""
    wanted = ids.subquery()
    mine, other = aliased(Sample), aliased(Sample)
    is_shown = exists().where(other.object_key == mine.object_key, other.id.not_in(select(wanted.c.id)))
    statement = select(func.count(mine.object_key.distinct())).join(wanted, wanted.c.id == mine.id)
    return session.scalar(statement.where(~mine.object_key.startswith(_PURGED_KEYS), ~is_shown)) or 0


def throw_away(session: Session, ids: Select[Any], deletion_id: UUID, author: UUID, limit: int) -> Slice:
    """Put up to `limit` samples into the trash."""
    seen, taken = _hold(session, ids, limit)
    _move(session, taken, trashed_at=func.clock_timestamp(), trashed_by=author, deletion_id=deletion_id)
    return Slice(seen, taken)


def trashed(dataset_id: UUID, ids: Collection[UUID] = (), deletion_id: UUID | None = None) -> Select[Any]:
    """The ids of the samples in a dataset's trash that were named, or that one deletion put there."""
    named = Sample.id.in_(ids) if deletion_id is None else Sample.deletion_id == deletion_id
    return select(Sample.id).where(Sample.dataset_id == dataset_id, TRASHED, named)


def take_back(session: Session, dataset_id: UUID, ids: Select[Any], limit: int) -> Slice:
    """Restore up to `limit` samples of a dataset's trash, as they were.

    Labels that were deleted meanwhile come back with them. Raises LabelDeletedError where one cannot, and
    NotFoundError where there is no dataset any more.
    """
    seen, taken = _hold(session, ids, limit)
    if taken:
        returning_labels.bring_back(session, dataset_id, taken)
    _move(session, taken, trashed_at=None, trashed_by=None, deletion_id=None)
    return Slice(seen, taken)


def list_trash(session: Session, dataset_id: UUID, after: Keyset | None, limit: int) -> Page[Sample]:
    """A page of a dataset's trash, in the order things were thrown away."""
    order = (Sample.trashed_at, Sample.id)
    statement = select(Sample).where(Sample.dataset_id == dataset_id, TRASHED)
    if after is not None:
        statement = statement.where(tuple_(*order) > tuple_(after.created_at, after.id))
    rows = session.scalars(statement.order_by(*order).limit(limit + 1)).all()
    page = rows[:limit]
    more = len(rows) > limit
    last = page[-1] if page else None
    return Page(page, Keyset(last.trashed_at, last.id) if more and last and last.trashed_at else None)


def run_out(after: timedelta) -> Select[Any]:
    """The ids of samples that have lain in the trash for longer."""
    return select(Sample.id).where(TRASHED, Sample.trashed_at < func.clock_timestamp() - after)


def all_of(dataset_id: UUID) -> Select[Any]:
    """The ids of all samples of a dataset, and of what is left of those that are away."""
    return select(Sample.id).where(Sample.dataset_id == dataset_id)


def purge(
    session: Session,
    ids: Select[Any],
    limit: int,
    *,
    condemned_by: UUID | None,
    author: UUID | None = None,
    with_dataset: bool = False,
) -> Purged:
    """Remove up to `limit` samples for good, with all that hangs on them.

    What versions hold stays readable: the sample's row, its documents, and by whom and when it was removed.
    condemned_by: who will remove their objects; None leaves them in the bucket. author: who wants it.
    with_dataset: the dataset goes, its versions too; otherwise an object that is left is noted as left on
    purpose.
    """
    candidates = session.scalars(ids.limit(limit)).all()
    _keep_versions_out(session, candidates)
    keys = select(Sample.object_key).where(Sample.id.in_(candidates))
    # All samples of these objects, in one order: of two deletions that share an object, the second one finds
    # itself alone with it, and removes it.
    owners = session.execute(
        select(Sample.id, Sample.dataset_id, Sample.object_key, Sample.digest)
        .where(Sample.object_key.in_(keys))
        .order_by(Sample.id)
        .with_for_update()
    ).all()
    chosen = _still(session, ids, candidates)
    gone = [row for row in owners if row.id in chosen]
    shared = {row.object_key for row in gone} & {row.object_key for row in owners if row.id not in chosen}
    keys_of_gone = {row.object_key for row in gone if not row.object_key.startswith(_PURGED_KEYS)}
    condemned = set() if condemned_by is None else keys_of_gone - shared
    pinned = set() if with_dataset else pins.pinned_among(session, [row.id for row in gone])
    _leave_to_versions(session, pinned, condemned_by, author)
    _remove_rows(session, [row.id for row in gone if row.id not in pinned])
    if condemned_by is None and not with_dataset:
        _remember_left(
            session, {(row.dataset_id, row.object_key) for row in gone if row.object_key in keys_of_gone}
        )
    if condemned_by is not None:
        samples.condemn_keys(session, condemned, by=condemned_by)
    digests = {row.digest for row in gone}
    shown = select(Sample.digest).where(
        Sample.digest.in_(digests), Sample.absence.is_distinct_from(Absence.PURGED.value)
    )
    digests -= set(session.scalars(shown))
    return Purged(len(candidates), len(gone), len(pinned), sorted(condemned), sorted(shared), sorted(digests))


def no_longer_pinned(dataset_id: UUID, absence: Absence) -> Select[Any]:
    """The ids of samples of a dataset that are away and that no version holds any more."""
    return select(Sample.id).where(
        Sample.dataset_id == dataset_id,
        Sample.trashed_at.is_not(None),
        Sample.absence == absence.value,
        ~pins.is_pinned(Sample.id),
    )


def move_to_trash(session: Session, ids: Select[Any], limit: int) -> int:
    """Put samples that were set aside into the trash, from now on; how many."""
    seen, taken = _hold(session, ids, limit)
    _move(session, taken, trashed_at=func.clock_timestamp(), absence=None)
    return seen


def now(session: Session) -> datetime:
    """The database's time, by which samples come and go."""
    time: datetime = session.scalars(select(func.clock_timestamp())).one()
    return time


def _hold(session: Session, ids: Select[Any], limit: int) -> tuple[int, Sequence[UUID]]:
    """How many were found, and those that are still meant once nobody else can change them."""
    candidates = session.scalars(ids.limit(limit)).all()
    # In one order, so that two deletions that overlap wait for each other and never both ways.
    session.execute(
        select(Sample.id).where(Sample.id.in_(candidates)).order_by(Sample.id).with_for_update(key_share=True)
    )
    return len(candidates), sorted(_still(session, ids, candidates))


def _still(session: Session, ids: Select[Any], candidates: Sequence[UUID]) -> set[UUID]:
    # Somebody may have labeled one since, or deleted it: a statement of its own sees that.
    return set(session.scalars(ids.where(Sample.id.in_(candidates))))


def _move(session: Session, ids: Sequence[UUID], **values: Any) -> None:
    if ids:
        session.execute(
            update(Sample)
            .where(Sample.id.in_(ids))
            .values(**values)
            .execution_options(synchronize_session=False)
        )


def _keep_versions_out(session: Session, candidates: Sequence[UUID]) -> None:
    of_datasets = select(Sample.dataset_id).distinct().where(Sample.id.in_(candidates))
    contents_lock.keep_from_publishing(session, session.scalars(of_datasets).all())


def _leave_to_versions(
    session: Session, ids: Collection[UUID], condemned_by: UUID | None, author: UUID | None
) -> None:
    """Remove samples except for what versions need of them; their keys are free from now on."""
    if not ids:
        return
    for model in (Draft, InferredContour):
        session.execute(delete(model).where(model.sample_id.in_(ids)))
    session.execute(
        update(Sample)
        .where(Sample.id.in_(ids))
        .values(
            absence=Absence.PURGED.value,
            trashed_at=func.clock_timestamp(),
            trashed_by=func.coalesce(literal(author, Uuid), Sample.trashed_by),
            deletion_id=func.coalesce(literal(condemned_by, Uuid), Sample.deletion_id),
            object_key=literal(_PURGED_KEYS) + cast(Sample.id, Text),
        )
        .execution_options(synchronize_session=False)
    )


def _pinning(session: Session, wanted: Any, caller: Caller) -> list[Pinning]:
    """The versions that hold these samples, or samples of other datasets with the same objects."""
    mine, held = aliased(Sample), aliased(Sample)
    may_see = members.visible(caller, Dataset.id)
    rows = session.execute(
        select(Version.id, Dataset.id, Version.name, may_see, func.count(mine.id.distinct()))
        .select_from(mine)
        .join(wanted, wanted.c.id == mine.id)
        .join(held, held.object_key == mine.object_key)
        .join(VersionSample, VersionSample.sample_id == held.id)
        .join(Version, (Version.dataset_id == VersionSample.dataset_id) & and_(*pins.covers(Version.number)))
        .join(Dataset, Dataset.id == Version.dataset_id)
        .where(Version.state == VersionState.PUBLISHED.value, Version.deleted_at.is_(None))
        .group_by(Version.id, Dataset.id)
        .order_by(Dataset.id, Version.number)
    )
    return [
        Pinning(version_id, dataset_id, name if seen else None, count)
        for version_id, dataset_id, name, seen, count in rows
    ]


def _remove_rows(session: Session, ids: Sequence[UUID]) -> None:
    for model in (Annotation, Revision, Draft, InferredContour, VersionSample):
        session.execute(delete(model).where(model.sample_id.in_(ids)))
    session.execute(delete(Sample).where(Sample.id.in_(ids)).execution_options(synchronize_session=False))


def _remember_left(session: Session, places: Collection[tuple[UUID, str]]) -> None:
    if places:
        rows = [{"dataset_id": dataset_id, "object_key": key} for dataset_id, key in sorted(places)]
        session.execute(insert(ForgottenObject).values(rows).on_conflict_do_nothing())
