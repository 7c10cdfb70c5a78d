"""What follows from a label that was taken out of use, some samples at a time: each slice stands by itself."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from fourpoint_core.domain.history import Action
from fourpoint_core.store.models import KEPT, Annotation, Label, Sample
from fourpoint_core.store.queries import annotations
from fourpoint_core.store.queries.annotations import Opening, Save

ROWS_PER_SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Slice:
    """What a slice has changed; no samples: there is nothing left to do."""

    annotations: int
    samples: int


def merge_some(session: Session, label_id: UUID, into: UUID, limit: int, author: UUID) -> Slice:
    """Give the objects of up to `limit` samples to another label, as a revision of each sample.

    Raises LabelDeletedError where that label is gone by now.
    """
    found = _rows_with(session, label_id, limit)
    saves = [Save(sample, rows, [_relabeled(row, into) for row in rows]) for sample, rows in found]
    return _settle(session, saves, Action.MERGE_LABEL, author)


def delete_some(session: Session, label_id: UUID, limit: int, author: UUID) -> Slice:
    """Take the objects of a label out of up to `limit` samples, as a revision of each sample."""
    saves = [Save(sample, rows) for sample, rows in _rows_with(session, label_id, limit)]
    return _settle(session, saves, Action.DELETE_LABEL, author)


def samples_with(dataset_id: UUID, label_id: UUID) -> Select[UUID]:
    """The ids of the samples of a dataset whose current document shows an object of the label."""
    shows = exists().where(
        Annotation.sample_id == Sample.id, Annotation.label_id == label_id, Annotation.valid_to.is_(None)
    )
    return select(Sample.id).where(Sample.dataset_id == dataset_id, KEPT, shows)


def is_out_of_use(session: Session, label_id: UUID) -> bool:
    """Whether the label is still deleted; it stays so until the transaction ends."""
    deleted_at = session.scalar(select(Label.deleted_at).where(Label.id == label_id).with_for_update(read=True))
    return deleted_at is not None


def _settle(session: Session, saves: Sequence[Save], action: Action, author: UUID) -> Slice:
    if saves:
        annotations.settle(session, saves, action, author)
    return Slice(sum(len(save.closed) for save in saves), len(saves))


def _relabeled(row: Annotation, into: UUID) -> Opening:
    return Opening(replace(annotations.content_of(row), label_id=into), row)


def _samples_with(session: Session, label_id: UUID, limit: int) -> Sequence[UUID]:
    """Some samples whose current document shows the label, at most `limit`; none where there are none."""
    # Some rows, and not DISTINCT: that would read all that the label has left, for every slice.
    rows = session.scalars(
        select(Annotation.sample_id)
        .where(Annotation.label_id == label_id, Annotation.valid_to.is_(None))
        .limit(limit * ROWS_PER_SAMPLE)
    )
    return list(dict.fromkeys(rows))[:limit]


def _rows_with(session: Session, label_id: UUID, limit: int) -> list[tuple[Sample, list[Annotation]]]:
    """Samples, locked, each with its current objects of the label."""
    while ids := _samples_with(session, label_id, limit):
        # In order, so that two slices never wait for each other.
        locked = session.scalars(
            select(Sample)
            .where(Sample.id.in_(ids))
            .order_by(Sample.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).all()
        rows = session.scalars(
            # Looked for again under the lock: somebody may have saved while we waited for it.
            select(Annotation)
            .where(
                Annotation.sample_id.in_(ids), Annotation.label_id == label_id, Annotation.valid_to.is_(None)
            )
            .execution_options(populate_existing=True)
        )
        by_sample: defaultdict[UUID, list[Annotation]] = defaultdict(list)
        for row in rows:
            by_sample[row.sample_id].append(row)
        if by_sample:
            return [(sample, by_sample[sample.id]) for sample in locked if sample.id in by_sample]
    return []
