"""Versions of a dataset: beginning, writing and reading them.

One publishes or switches at a time, and `version_heads` says who; people go on labeling meanwhile.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.domain.versions import VersionState, default_version_name
from fourpoint_core.errors import (
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    VersionCurrentError,
    VersionsBusyError,
    VersionStateError,
)
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import Job, Version, VersionHead
from fourpoint_core.store.queries import contents_lock
from fourpoint_core.store.queries.paging import Keyset, Page

EXISTS: ColumnElement[bool] = Version.deleted_at.is_(None)
_ENDED_BADLY = (JobState.FAILED.value, JobState.CANCELLED.value)

_PRESENT = "sample.trashed_at IS NULL AND sample.missing_since IS NULL"
# What makes an earlier row serve the new version as well.
_SAME = """
    pin.revision = sample.revision AND pin.digest = sample.digest AND pin.object_key = sample.object_key
    AND pin.name = sample.name AND pin.object_etag = sample.object_etag AND pin.size_bytes = sample.size_bytes
    AND pin.width = sample.width AND pin.height = sample.height AND pin.media_type = sample.media_type
    AND pin.changed_at IS NOT DISTINCT FROM sample.changed_at
"""
# One statement, and so one moment for samples, labels and counters, whoever saves meanwhile. A label that is
# being deleted is still in use by documents that the job has not come to; its name may have been given again.
_SNAPSHOT = text(
    f"""
    WITH closed AS (
        UPDATE version_samples pin SET to_number = :number
        WHERE pin.dataset_id = :dataset_id AND pin.to_number IS NULL AND NOT EXISTS (
            SELECT FROM samples sample
            WHERE sample.id = pin.sample_id AND {_PRESENT} AND {_SAME}
        )
    ), opened AS (
        INSERT INTO version_samples (
            sample_id, from_number, dataset_id, revision, content_revision, digest, name, object_key,
            object_etag, media_type, size_bytes, width, height, annotation_count, labeled_by, labeled_at,
            changed_at, object_modified_at, sha256, created_by, created_at
        )
        SELECT sample.id, :number, sample.dataset_id, sample.revision,
            CASE WHEN sample.copied_in = sample.revision THEN sample.copied_revision ELSE sample.revision END,
            sample.digest, sample.name, sample.object_key, sample.object_etag, sample.media_type,
            sample.size_bytes, sample.width, sample.height, sample.annotation_count, sample.labeled_by,
            sample.labeled_at, sample.changed_at, sample.object_modified_at, sample.sha256, sample.created_by,
            sample.created_at
        FROM samples sample
        LEFT JOIN version_samples pin ON pin.sample_id = sample.id AND pin.to_number IS NULL
        WHERE sample.dataset_id = :dataset_id AND {_PRESENT}
            AND (pin.sample_id IS NULL OR NOT ({_SAME}))
        ORDER BY sample.id
    ), labels AS (
        INSERT INTO version_labels (version_id, label_id, name, colour, shortcut, mask_index, created_at)
        SELECT :version_id, id, name, colour, shortcut, mask_index, created_at
        FROM labels WHERE dataset_id = :dataset_id AND deleted_at IS NULL
        UNION ALL
        SELECT :version_id, id, left(name, 240) || ' (deleted ' || mask_index || ')', colour, NULL, mask_index,
            created_at
        FROM labels WHERE dataset_id = :dataset_id AND deleted_at IS NOT NULL
            AND EXISTS (SELECT FROM sample_labels shown WHERE shown.label_id = labels.id)
    ), counted AS (
        INSERT INTO version_tallies (version_id, kind, day, subject, images, objects)
        SELECT :version_id, kind, day, subject, images, objects FROM tally_sums
        WHERE dataset_id = :dataset_id AND (images <> 0 OR objects <> 0)
        RETURNING kind, images, objects
    )
    UPDATE versions SET
        published_at = clock_timestamp(),
        samples = coalesce((SELECT images FROM counted WHERE kind = 'sample'), 0),
        labeled = coalesce((SELECT images FROM counted WHERE kind = 'labeled'), 0),
        annotations = coalesce((SELECT objects FROM counted WHERE kind = 'labeled'), 0),
        fingerprint = coalesce((SELECT objects FROM counted WHERE kind = 'state'), 0)
    WHERE id = :version_id
    """  # noqa: S608 - constants
)
# Whether a dataset, by `owner`, differs from a version: in its marks, or in its labels.
DIFFERS = """
    SELECT coalesce((
        SELECT sum(objects) FROM (
            SELECT objects FROM tallies WHERE dataset_id = :owner AND kind = 'state'
            UNION ALL
            SELECT objects FROM tally_deltas WHERE dataset_id = :owner AND kind = 'state'
        ) parts
    ), 0) <> coalesce((SELECT fingerprint FROM versions WHERE id = {version}), 0)
    OR EXISTS (
        SELECT FROM (
            SELECT id, name, colour, shortcut FROM labels
            WHERE dataset_id = :owner AND deleted_at IS NULL
        ) present
        FULL JOIN (
            SELECT label_id AS id, name, colour, shortcut FROM version_labels WHERE version_id = {version}
        ) pinned USING (id)
        WHERE (present.name, present.colour, present.shortcut)
            IS DISTINCT FROM (pinned.name, pinned.colour, pinned.shortcut)
    )
"""
_DIFFERS = text(DIFFERS.format(version=":version_id"))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a dataset stands. current: None before the first version.

    has_changes: whether the working state differs from the current version, or from nothing.
    """

    current: Version | None
    has_changes: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A version as it is shown. state: failed as soon as its job has ended badly."""

    row: Version
    state: VersionState
    is_current: bool


def begin(session: Session, dataset_id: UUID, job_id: UUID) -> VersionHead:
    """Take the dataset's versions for a job that publishes or switches; until it has ended, nobody else may.

    What an earlier job left half-way counts as failed. Raises VersionsBusyError.
    """
    session.execute(insert(VersionHead).values(dataset_id=dataset_id).on_conflict_do_nothing())
    head = _locked_head(session, dataset_id)
    _require_free(session, head)
    session.execute(
        update(Version)
        .where(Version.dataset_id == dataset_id, Version.state == VersionState.PUBLISHING.value)
        .values(state=VersionState.FAILED.value)
    )
    head.job_id = job_id
    session.flush()
    return head


def require_turn(session: Session, dataset_id: UUID, job_id: UUID) -> VersionHead:
    """The dataset's head, locked, if it is this job's turn. Raises VersionsBusyError.

    A job that failed and is tried again later may find that another has begun since.
    """
    head = _locked_head(session, dataset_id)
    if head.job_id != job_id:
        raise VersionsBusyError("Somebody has published or switched versions since; begin anew.")
    return head


def add_version(
    session: Session, head: VersionHead, name: str | None, description: str, author: UUID, job_id: UUID
) -> Version:
    """A version that is about to be written; `head` is locked. Raises NameTakenError."""
    number = head.last_number + 1
    if name is None:
        taken = select(Version.name).where(
            Version.dataset_id == head.dataset_id, EXISTS, Version.state != VersionState.FAILED.value
        )
        name = default_version_name(number, set(session.scalars(taken)))
    version: Version | None = session.scalar(
        insert(Version)
        .values(
            id=new_id(),
            dataset_id=head.dataset_id,
            number=number,
            name=name,
            description=description,
            state=VersionState.PUBLISHING.value,
            created_by=author,
            job_id=job_id,
            parent_id=head.current_version_id,
        )
        .on_conflict_do_nothing()
        .returning(Version)
    )
    if version is None:
        raise NameTakenError(f"There is already a version named {name!r}; choose another name.")
    head.last_number = number
    session.flush()
    return version


def take_time(session: Session) -> None:
    """Let this transaction's statements take longer than a request's may."""
    session.execute(text("SET LOCAL statement_timeout = '15min'"))
    session.execute(text("SET LOCAL lock_timeout = '2min'"))


def write_contents(session: Session, version_id: UUID) -> Version:
    """Write what a version holds, all of one moment, unless that was done. Raises VersionStateError."""
    version = _locked(session, version_id)
    if version.state == VersionState.FAILED.value:
        raise VersionStateError("This publication has failed, and others came after it; publish anew.")
    if version.published_at is not None:
        return version
    # What is deleted for good must not go between being seen here and being known as pinned.
    contents_lock.keep_from_purging(session, version.dataset_id)
    values = {"version_id": version.id, "dataset_id": version.dataset_id, "number": version.number}
    session.execute(_SNAPSHOT, values)
    session.refresh(version)
    return version


def finish(session: Session, head: VersionHead, version_id: UUID) -> Version:
    """Make a version whose contents are written public, and the current one; `head` is locked."""
    version = _locked(session, version_id)
    version.state = VersionState.PUBLISHED.value
    head.current_version_id = version.id
    session.flush()
    return version


def make_current(session: Session, head: VersionHead, version_id: UUID) -> None:
    """Say that the working state has become that of a version; `head` is locked."""
    head.current_version_id = version_id
    session.flush()


def give_back(session: Session, head: VersionHead) -> None:
    """The job has ended: the next one may begin."""
    head.job_id = None
    session.flush()


def standing(session: Session, dataset_id: UUID) -> Standing:
    """The current version, and whether there is anything to publish; in a time that does not grow."""
    current = session.scalar(
        select(Version)
        .join(VersionHead, VersionHead.current_version_id == Version.id)
        .where(VersionHead.dataset_id == dataset_id)
        .execution_options(populate_existing=True)
    )
    version_id = None if current is None else current.id
    return Standing(current, has_changes_since(session, dataset_id, version_id))


def has_changes_since(session: Session, dataset_id: UUID, version_id: UUID | None) -> bool:
    """Whether the working state, labels included, differs from a version; None: from nothing at all."""
    return bool(session.scalar(_DIFFERS, {"owner": dataset_id, "version_id": version_id}))


def get_version(session: Session, dataset_id: UUID, version_id: UUID, *, deleted: bool = False) -> Known:
    """A version of the dataset. deleted: it may be one of those. Raises NotFoundError."""
    statement = _known(dataset_id).where(Version.id == version_id)
    row = session.execute(statement if deleted else statement.where(EXISTS)).one_or_none()
    if row is None:
        raise NotFoundError(f"The dataset has no version {version_id}.")
    return _as_known(row)


def get_published(session: Session, dataset_id: UUID, version_id: UUID) -> Version:
    """A version that can be read. Raises NotFoundError or VersionStateError."""
    known = get_version(session, dataset_id, version_id)
    if known.state is not VersionState.PUBLISHED:
        raise VersionStateError(
            f"The version {known.row.name!r} is {known.state}; only a published one can be read."
        )
    return known.row


def require_readable(
    session: Session, dataset_id: UUID, version_id: UUID | None, pointer: str = "?version"
) -> None:
    """Check the version that a filter names, if it names any. Raises InvalidInputError."""
    if version_id is None:
        return
    try:
        get_published(session, dataset_id, version_id)
    except (NotFoundError, VersionStateError) as error:
        raise InvalidInputError.at(pointer, "version_unknown", error.detail) from error


def lock_version(session: Session, dataset_id: UUID, version_id: UUID, *, deleted: bool = False) -> Known:
    """As `get_version`, and kept from changing until the transaction ends."""
    session.execute(
        select(Version.id).where(Version.id == version_id).with_for_update(key_share=True)
    ).one_or_none()
    return get_version(session, dataset_id, version_id, deleted=deleted)


def list_versions(
    session: Session, dataset_id: UUID, *, deleted: bool, after: Keyset | None, limit: int
) -> Page[Known]:
    """A page of a dataset's versions, oldest first. deleted: those that can be restored instead."""
    wanted = Version.deleted_at.is_not(None) if deleted else EXISTS
    statement = _known(dataset_id).where(wanted)
    if after is not None:
        statement = statement.where(
            func.row(Version.created_at, Version.id) > func.row(after.created_at, after.id)
        )
    rows = session.execute(statement.order_by(Version.created_at, Version.id).limit(limit + 1)).all()
    page = [_as_known(row) for row in rows[:limit]]
    last = page[-1].row if len(rows) > limit else None
    return Page(page, None if last is None else Keyset(last.created_at, last.id))


def previous_of(session: Session, version: Version) -> Version | None:
    """The version that was published before this one, if it is still there."""
    return session.scalar(
        select(Version)
        .where(
            Version.dataset_id == version.dataset_id,
            Version.number < version.number,
            Version.state == VersionState.PUBLISHED.value,
            EXISTS,
        )
        .order_by(Version.number.desc())
        .limit(1)
    )


def describe(session: Session, version: Version, description: str) -> None:
    """Give a version another description."""
    version.description = description
    version.row_version += 1
    session.flush()


def mark_deleted(session: Session, known: Known, author: UUID) -> None:
    """Hide a version; it can be restored until the sweep forgets it.

    Raises VersionCurrentError, VersionStateError, or VersionsBusyError.
    """
    if _require_idle(session, known.row.dataset_id) == known.row.id:
        raise VersionCurrentError(
            f"The version {known.row.name!r} is the current one; make another current first."
        )
    if known.state is VersionState.PUBLISHING:
        raise VersionStateError("The version is being published; wait for its job, or cancel that.")
    known.row.deleted_at = session.scalar(select(func.clock_timestamp()))
    known.row.deleted_by = author
    known.row.row_version += 1
    session.flush()


def bring_back(session: Session, version: Version) -> None:
    """Restore a version that was deleted. Raises NameTakenError."""
    taken = session.scalar(
        select(Version.id).where(
            Version.dataset_id == version.dataset_id,
            Version.name == version.name,
            EXISTS,
            Version.state != VersionState.FAILED.value,
            Version.id != version.id,
        )
    )
    if taken is not None:
        raise NameTakenError(f"Another version is named {version.name!r} by now; delete that one first.")
    version.deleted_at = version.deleted_by = None
    version.row_version += 1
    session.flush()


def _require_idle(session: Session, dataset_id: UUID) -> UUID | None:
    """The current version, which stays so until the transaction ends."""
    head = session.get(VersionHead, dataset_id, with_for_update=True, populate_existing=True)
    if head is None:
        return None
    _require_free(session, head)
    return head.current_version_id


def _require_free(session: Session, head: VersionHead) -> None:
    at_work = None if head.job_id is None else session.get(Job, head.job_id, populate_existing=True)
    if at_work is not None and not JobState(at_work.state).is_final:
        raise VersionsBusyError(
            "Somebody is publishing or switching versions of this dataset;"
            f" wait for the job {at_work.id}, or cancel it."
        )


def _locked_head(session: Session, dataset_id: UUID) -> VersionHead:
    return session.scalars(
        select(VersionHead)
        .where(VersionHead.dataset_id == dataset_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _locked(session: Session, version_id: UUID) -> Version:
    version = session.scalar(
        select(Version)
        .where(Version.id == version_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if version is None:
        raise NotFoundError(f"There is no version {version_id}.")
    return version


def _known(dataset_id: UUID) -> Any:
    return (
        select(Version, Job.state, VersionHead.current_version_id)
        .outerjoin(Job, Job.id == Version.job_id)
        .outerjoin(VersionHead, VersionHead.dataset_id == Version.dataset_id)
        .where(Version.dataset_id == dataset_id)
        .execution_options(populate_existing=True)
    )


def _as_known(row: Any) -> Known:
    version, job_state, current = row
    state = VersionState(version.state)
    if state is VersionState.PUBLISHING and job_state in _ENDED_BADLY:
        state = VersionState.FAILED
    return Known(version, state, version.id == current)
