"""Imports: which samples a file means, what is kept of it, and what it had to say."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from fourpoint_core.domain.labels import colour_for
from fourpoint_core.domain.text import is_text
from fourpoint_core.errors import NotFoundError, StorageUnavailableError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import IMPORT_DATASET
from fourpoint_core.store.models import (
    PRESENT,
    Dataset,
    DatasetMember,
    DirectUpload,
    ImportLine,
    Job,
    Label,
    Sample,
    UploadIntent,
    User,
)
from fourpoint_core.store.queries import samples
from fourpoint_core.store.queries.datasets import LIVE, get_dataset
from fourpoint_core.store.queries.paging import Keyset, Page, fetch_page

# No store has a longer one.
_LONGEST_KEY = 1024


def sample_at(session: Session, dataset_id: UUID, key: str) -> Sample | None:
    """The sample that an object is, if it is one of the dataset."""
    return session.scalar(
        select(Sample).where(Sample.dataset_id == dataset_id, Sample.object_key == key, PRESENT)
    )


def is_known(session: Session, dataset_id: UUID, key: str) -> bool:
    """Whether a sample of the dataset has the key, wherever it is: in the trash, set aside or missing, too."""
    where = (Sample.dataset_id == dataset_id, Sample.object_key == key)
    return session.scalar(select(Sample.id).where(*where)) is not None


def add_samples(session: Session, rows: Iterable[Sample]) -> None:
    """Store new samples. Raises StorageUnavailableError where somebody else has added one of them meanwhile."""
    try:
        samples.add_samples(session, rows)
    except IntegrityError as error:
        raise StorageUnavailableError("Somebody added the same image meanwhile; try again.") from error


def sample_named(session: Session, dataset: Dataset, names: Sequence[str]) -> Sample | None:
    """The sample that paths, addresses or bare names mean: by its key, else by its name where only one has it.

    Of addresses and paths, their ends are tried, the longest first.
    """
    ends = list(dict.fromkeys(end for name in names for end in _ends(name) if is_text(end)))
    keys = {dataset.input_path + end: place for place, end in reversed(list(enumerate(ends)))}
    keys |= {end: place for place, end in enumerate(ends)}
    where = (Sample.dataset_id == dataset.id, PRESENT)
    found = session.scalars(select(Sample).where(*where, Sample.object_key.in_(keys))).all()
    if found:
        return min(found, key=lambda sample: keys[sample.object_key])
    last = {end.rpartition("/")[2] for end in ends}
    named = session.scalars(select(Sample).where(*where, Sample.name.in_(last)).limit(2)).all()
    return named[0] if len(named) == 1 else None


def _ends(name: str) -> Iterable[str]:
    path = name.partition("://")[2] or name
    if len(path) > _LONGEST_KEY:
        # Of a megabyte of slashes, all ends together would fill any memory; none of the longer ones is a key.
        path = path[-_LONGEST_KEY:].partition("/")[2]
    yield path
    while "/" in path:
        path = path.partition("/")[2]
        if path:
            yield path


def hold_samples(session: Session, dataset_id: UUID, ids: Collection[UUID]) -> dict[UUID, Sample]:
    """Those of the samples that are still there, locked against other saves."""
    statement = (
        select(Sample)
        .where(Sample.id.in_(ids), Sample.dataset_id == dataset_id, PRESENT)
        .order_by(Sample.id)
        .with_for_update(key_share=True)
    )
    rows = session.scalars(statement, execution_options={"populate_existing": True})
    return {row.id: row for row in rows}


def samples_of_digest(session: Session, dataset_id: UUID, digests: Collection[str]) -> dict[str, Sample]:
    """The oldest sample of each of these contents."""
    where = (
        Sample.dataset_id == dataset_id,
        or_(Sample.digest.in_(digests), Sample.sha256.in_(digests)),
        PRESENT,
    )
    rows = session.scalars(select(Sample).where(*where).order_by(Sample.created_at.desc(), Sample.id.desc()))
    return {row.known_sha256 or row.digest: row for row in rows}


def reserve(session: Session, job_id: UUID, key: str) -> bool:
    """Promise a key to an import: False where it is somebody else's; a try that died promised it to itself."""
    if samples.reserve_key(session, job_id, key):
        return True
    return is_promised(session, job_id, key)


def is_promised(session: Session, job_id: UUID, key: str) -> bool:
    """Whether an import holds the key."""
    held = select(UploadIntent.upload_id).where(UploadIntent.object_key == key)
    return session.scalar(held) == job_id


def redeem(session: Session, job_id: UUID, keys: Collection[str]) -> bool:
    """End the promises of these keys; False where one was broken meanwhile."""
    found = session.scalars(
        delete(UploadIntent)
        .where(UploadIntent.upload_id == job_id, UploadIntent.object_key.in_(keys))
        .returning(UploadIntent.object_key)
    ).all()
    return len(found) == len(keys)


@dataclass(frozen=True, slots=True)
class WantedLabel:
    """A label by name; colour and mask index are those it gets where it is made and they are free."""

    name: str
    colour: str | None = None
    mask_index: int | None = None


def ensure_labels(
    session: Session, dataset_id: UUID, wanted: Collection[WantedLabel]
) -> tuple[dict[str, UUID], int]:
    """The ids of labels by name, and how many of them are new."""
    names = {label.name for label in wanted}
    found = label_ids(session, dataset_id, names)
    if names <= found.keys():
        return found, 0
    # Mask indexes are counted up, so makers of labels take turns, on the dataset's row.
    get_dataset(session, dataset_id, lock=True)
    found = label_ids(session, dataset_id, names)
    taken = set(session.scalars(select(Label.mask_index).where(Label.dataset_id == dataset_id)))
    made = 0
    for label in wanted:
        if label.name in found:
            continue
        index = label.mask_index
        if index is None or index in taken:
            index = max(taken, default=0) + 1
        taken.add(index)
        colour = label.colour or colour_for(index)
        row = Label(id=new_id(), dataset_id=dataset_id, name=label.name, colour=colour, mask_index=index)
        session.add(row)
        found[label.name] = row.id
        made += 1
    session.flush()
    return found, made


def label_ids(session: Session, dataset_id: UUID, names: Collection[str]) -> dict[str, UUID]:
    """The ids of those of the labels that there are."""
    where = (Label.dataset_id == dataset_id, Label.name.in_(names), Label.deleted_at.is_(None))
    return {row.name: row.id for row in session.execute(select(Label.name, Label.id).where(*where))}


def add_lines(session: Session, lines: Sequence[dict[str, Any]]) -> None:
    """Write down what an import has to say."""
    if lines:
        session.execute(insert(ImportLine), lines)


def forget_lines(session: Session, job_id: UUID) -> None:
    """Take back what an import has said."""
    session.execute(delete(ImportLine).where(ImportLine.job_id == job_id))


def count_lines(session: Session, job_id: UUID) -> dict[str, dict[str, int]]:
    """How often each code was said, by outcome."""
    statement = (
        select(ImportLine.outcome, ImportLine.code, func.count())
        .where(ImportLine.job_id == job_id)
        .group_by(ImportLine.outcome, ImportLine.code)
        .order_by(ImportLine.outcome, ImportLine.code)
    )
    found: dict[str, dict[str, int]] = {}
    for outcome, code, count in session.execute(statement):
        found.setdefault(outcome, {})[code] = count
    return found


def list_lines(
    session: Session, job_id: UUID, outcome: str | None, after: int, limit: int
) -> tuple[Sequence[ImportLine], int | None]:
    """Some lines of an import behind a position, in the order of its files; and where the next ones begin."""
    where = [ImportLine.job_id == job_id, ImportLine.position > after]
    if outcome is not None:
        where.append(ImportLine.outcome == outcome)
    statement = select(ImportLine).where(*where).order_by(ImportLine.position).limit(limit + 1)
    rows = session.scalars(statement).all()
    return rows[:limit], rows[limit - 1].position if len(rows) > limit else None


def get_import(session: Session, dataset_id: UUID, job_id: UUID) -> Job:
    """The job of an import. Raises NotFoundError."""
    job = session.get(Job, job_id)
    if job is None or job.kind != IMPORT_DATASET.name or job.dataset_id != dataset_id:
        raise NotFoundError(f"The dataset has no import {job_id}.")
    return job


def list_imports(session: Session, dataset_id: UUID, after: Keyset | None, limit: int) -> Page[Job]:
    """A page of the imports of a dataset, oldest first."""
    statement = select(Job).where(Job.dataset_id == dataset_id, Job.kind == IMPORT_DATASET.name)
    return fetch_page(session, statement, Job, after, limit)


def closed_paths(session: Session, user_id: UUID) -> frozenset[str]:
    """Input paths of the datasets that somebody may not see."""
    if session.scalar(select(User.is_admin).where(User.id == user_id)):
        return frozenset()
    mine = select(DatasetMember.dataset_id).where(DatasetMember.user_id == user_id)
    return frozenset(session.scalars(select(Dataset.input_path).where(LIVE, Dataset.id.not_in(mine))))


def hold_upload(session: Session, dataset_id: UUID, upload_id: UUID, seconds: float) -> DirectUpload:
    """Keep what was uploaded for as long as an import may take. Raises NotFoundError."""
    upload = session.scalar(
        select(DirectUpload)
        .where(DirectUpload.id == upload_id, DirectUpload.dataset_id == dataset_id)
        .with_for_update()
    )
    if upload is None:
        raise NotFoundError(f"The dataset has no upload {upload_id}; it may have run out.")
    upload.expires_at = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    session.flush()
    return upload
