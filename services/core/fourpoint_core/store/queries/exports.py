"""Exports: what goes into one, and what can be had of them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, cast, delete, exists, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.filters import SampleFilter, Sort
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import NotFoundError
from fourpoint_core.jobs.contracts import EXPORT_DATASET
from fourpoint_core.jobs.payloads.transfers import ExportDataset
from fourpoint_core.store.models import (
    Annotation,
    Dataset,
    Export,
    ExportAttempt,
    Job,
    JobAttempt,
    Label,
    Sample,
    VersionSample,
)
from fourpoint_core.store.models.samples import KEPT
from fourpoint_core.store.queries import pins, sample_filters
from fourpoint_core.store.queries.datasets import LIVE
from fourpoint_core.store.queries.leases import Lease
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page
from fourpoint_core.store.queries.sample_rows import ListedSample

_BATCH = 500
# What either says under the same names: key, size, contents, revision.
Exported = ListedSample | Sample


@dataclass(frozen=True, slots=True)
class Drawn:
    """One object of an exported document. contour: as JSON text, which nobody here need take apart."""

    annotation_id: UUID
    label_id: UUID
    contour: str
    method: str
    score: float | None
    attributes: dict[str, object]
    visible: bool
    z_order: int
    difficult: bool
    occluded: bool
    truncated: bool


def documents(
    session: Session, dataset_id: UUID, wanted: SampleFilter, ids: Collection[UUID]
) -> Iterator[tuple[Exported, list[Drawn]]]:
    """Every sample that is wanted, with the objects of its document in painting order; the memory stays flat.

    ids: only these of them; empty: all. What is yielded is of one moment, also where others save meanwhile:
    the samples are one cursor's, and the objects are those of the revisions that it names.
    """
    for batch in _batches(session, dataset_id, wanted, ids):
        revisions = {UUID(str(sample.id)): sample.revision for sample in batch if sample.revision}
        drawn = _drawn(session, revisions)
        for sample in batch:
            yield sample, drawn.get(UUID(str(sample.id)), [])


def labels(session: Session, dataset_id: UUID, version: UUID | None) -> list[Label]:
    """The labels of a dataset as they are, deleted ones included, or as a version has them; by mask index."""
    if version is not None:
        return pins.labels_of(session, version)
    statement = select(Label).where(Label.dataset_id == dataset_id).order_by(Label.mask_index)
    return list(session.scalars(statement))


def _batches(
    session: Session, dataset_id: UUID, wanted: SampleFilter, ids: Collection[UUID]
) -> Iterator[Sequence[Exported]]:
    if not ids:
        yield from sample_filters.stream(session, dataset_id, wanted, Sort(), _BATCH)
        return
    ordered = sorted(ids)
    for start in range(0, len(ordered), _BATCH):
        some = ordered[start : start + _BATCH]
        if wanted.version is None:
            # Who names an image asks for it, also where its file is missing.
            where = (Sample.dataset_id == dataset_id, Sample.id.in_(some), KEPT)
            found = list(session.scalars(select(Sample).where(*where).order_by(Sample.id)))
        else:
            pinned = (VersionSample.sample_id.in_(some), *pins.valid_in(wanted.version))
            held = session.scalars(select(VersionSample).where(*pinned).order_by(VersionSample.sample_id))
            found = [pins.as_sample(pin) for pin in held]
        yield found
        session.expunge_all()


def _drawn(session: Session, revisions: dict[UUID, int]) -> dict[UUID, list[Drawn]]:
    if not revisions:
        return {}
    asked = select(
        func.unnest(cast(list(revisions), ARRAY(Uuid))).label("sample_id"),
        func.unnest(cast(list(revisions.values()), ARRAY(Annotation.valid_from.type))).label("revision"),
    ).subquery()
    statement = (
        select(
            Annotation.sample_id,
            Annotation.annotation_id,
            Annotation.label_id,
            cast(Annotation.contour, Text),
            Annotation.method,
            Annotation.score,
            Annotation.attributes,
            Annotation.visible,
            Annotation.z_order,
            Annotation.difficult,
            Annotation.occluded,
            Annotation.truncated,
        )
        .join(
            asked,
            and_(
                asked.c.sample_id == Annotation.sample_id,
                Annotation.valid_from <= asked.c.revision,
                or_(Annotation.valid_to.is_(None), Annotation.valid_to > asked.c.revision),
            ),
        )
        .order_by(Annotation.sample_id, Annotation.z_order, Annotation.created_at, Annotation.annotation_id)
    )
    found: dict[UUID, list[Drawn]] = {}
    for sample_id, *facts in session.execute(statement):
        found.setdefault(sample_id, []).append(Drawn(*facts))
    return found


def begin_attempt(session: Session, lease: Lease, prefix: str) -> None:
    """Write down where a try is about to leave files."""
    session.execute(
        insert(ExportAttempt)
        .values(job_id=lease.job_id, lease_number=lease.number, prefix=prefix)
        .on_conflict_do_nothing()
    )


def end_attempt(session: Session, lease: Lease) -> None:
    """The files of this try are somebody's now."""
    session.execute(
        delete(ExportAttempt).where(
            ExportAttempt.job_id == lease.job_id, ExportAttempt.lease_number == lease.number
        )
    )


def abandoned_attempts(session: Session, grace: timedelta, limit: int) -> Sequence[ExportAttempt]:
    """Tries that nobody has been at for a while, and whose files are no export's."""
    statement = (
        select(ExportAttempt)
        .outerjoin(
            JobAttempt,
            and_(
                JobAttempt.job_id == ExportAttempt.job_id,
                JobAttempt.lease_number == ExportAttempt.lease_number,
            ),
        )
        .where(or_(JobAttempt.job_id.is_(None), JobAttempt.ended_at < func.clock_timestamp() - grace))
        .order_by(ExportAttempt.created_at)
    )
    return session.scalars(statement.limit(limit)).all()


def forget_attempts(session: Session, attempts: Collection[ExportAttempt]) -> None:
    """Remove the rows of tries whose files are gone."""
    keys = [(attempt.job_id, attempt.lease_number) for attempt in attempts]
    if keys:
        where = tuple_(ExportAttempt.job_id, ExportAttempt.lease_number).in_(keys)
        session.execute(delete(ExportAttempt).where(where))


def find_same(session: Session, request: str, content: str) -> Export | None:
    """The export that was made of the same, if it can still be had."""
    return session.scalar(
        select(Export).where(
            Export.request == request,
            Export.content == content,
            or_(Export.expires_at.is_(None), Export.expires_at > func.clock_timestamp()),
        )
    )


def add_export(session: Session, export: Export, days: float | None) -> Export:
    """Show an export, or the one that somebody else made of the same meanwhile; the one that counts."""
    # Two that end at the same moment take turns.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": export.request})
    found = find_same(session, export.request, export.content)
    if found is not None:
        return found
    if days is not None:
        export.expires_at = func.clock_timestamp() + timedelta(days=days)
    session.add(export)
    session.flush()
    session.refresh(export)
    return export


def queued_same(session: Session, payload: ExportDataset) -> Job | None:
    """A job that will export the same and has not begun: whoever asks again may as well wait for it."""
    return session.scalar(
        select(Job)
        .where(
            Job.dataset_id == payload.dataset_id,
            Job.kind == EXPORT_DATASET.name,
            Job.state == JobState.QUEUED.value,
            Job.attempts == 0,
            Job.cancel_requested_at.is_(None),
            Job.payload == payload.to_json(),
        )
        .order_by(Job.created_at)
        .limit(1)
    )


def get_export(session: Session, dataset_id: UUID, export_id: UUID) -> Export:
    """Read an export. Raises NotFoundError."""
    export = session.scalar(
        select(Export)
        .join(Dataset, Dataset.id == Export.dataset_id)
        .where(
            Export.id == export_id,
            Export.dataset_id == dataset_id,
            LIVE,
            or_(Export.expires_at.is_(None), Export.expires_at > func.clock_timestamp()),
        )
    )
    if export is None:
        raise NotFoundError(f"The dataset has no export {export_id}; it may have run out.")
    return export


def list_exports(session: Session, dataset_id: UUID, after: Keyset | None, limit: int) -> Page[Export]:
    """A page of the exports that can be had, oldest first."""
    statement = select(Export).where(
        Export.dataset_id == dataset_id,
        or_(Export.expires_at.is_(None), Export.expires_at > func.clock_timestamp()),
    )
    return fetch_page(session, statement, Export, after, limit)


def expire(session: Session, export_id: UUID) -> None:
    """Have an archive go with the next sweep; nobody gets it from now on."""
    session.execute(update(Export).where(Export.id == export_id).values(expires_at=func.clock_timestamp()))


def run_out(session: Session, limit: int) -> Sequence[Export]:
    """Exports whose time is up, or whose dataset is gone."""
    living = exists().where(Dataset.id == Export.dataset_id, LIVE)
    return session.scalars(
        select(Export).where(or_(Export.expires_at < func.clock_timestamp(), ~living)).limit(limit)
    ).all()


def forget(session: Session, ids: Collection[UUID]) -> None:
    """Remove the rows of exports whose archives are gone."""
    session.execute(delete(Export).where(Export.id.in_(ids)))


def overlapping_dataset(session: Session, path: str) -> Dataset | None:
    """A dataset whose images would mingle with files below `path`."""
    return session.scalar(
        select(Dataset)
        .where(
            LIVE,
            or_(func.starts_with(Dataset.input_path, path), func.starts_with(path, Dataset.input_path)),
        )
        .limit(1)
    )
