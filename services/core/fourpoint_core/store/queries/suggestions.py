"""Outlines that a batch has drawn: where they are to be drawn, and what becomes of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Select, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from fourpoint_core.domain.annotations import Content
from fourpoint_core.domain.history import Action
from fourpoint_core.errors import LabelDeletedError
from fourpoint_core.jobs.payloads.outlines import Verdict
from fourpoint_core.store.models import Annotation, ImportedBox, InferredContour, Label, Sample
from fourpoint_core.store.queries import annotations
from fourpoint_core.store.queries.annotations import Opening, Save

_HAS_SOMETHING = or_(Sample.annotation_count > 0, exists().where(ImportedBox.sample_id == Sample.id))


@dataclass(frozen=True, slots=True)
class Reviewed:
    """last: the sample at which the slice ended; None at the end of all.

    samples, annotations: what was changed. left: samples that could not be, because a label was deleted.
    """

    last: UUID | None
    samples: int
    annotations: int
    left: int


def with_objects(ids: Select[UUID], after: UUID | None, limit: int) -> Select[UUID]:
    """The next of the samples, by id, that have something to draw from: an object, or an imported box."""
    statement = ids.where(_HAS_SOMETHING)
    if after is not None:
        statement = statement.where(Sample.id > after)
    return statement.order_by(None).order_by(Sample.id).limit(limit)


def count_with_objects(session: Session, ids: Select[UUID]) -> int:
    """How many of the samples have an object, or an imported box."""
    counted = ids.where(_HAS_SOMETHING).order_by(None).subquery()
    return session.scalar(select(func.count()).select_from(counted)) or 0


def inferred_shapes(session: Session, rows: Collection[Annotation]) -> dict[UUID, object]:
    """The outlines as they were inferred, by the ids of their contours."""
    ids = {row.contour_id for row in rows if row.contour_id is not None}
    found = session.execute(
        select(InferredContour.id, InferredContour.contour).where(InferredContour.id.in_(ids))
    )
    return {row.id: row.contour for row in found}


def boxes_of(session: Session, sample_id: UUID) -> dict[UUID, ImportedBox]:
    """Imported boxes that nobody has made an object of, by the ids that their objects will have.

    A box stays until what was drawn from it is confirmed: who rejects that can have it drawn again.
    """
    taken = exists().where(
        Annotation.sample_id == ImportedBox.sample_id,
        Annotation.annotation_id == ImportedBox.id,
        or_(Annotation.valid_to.is_(None), ~Annotation.unconfirmed),
    )
    found = session.scalars(
        select(ImportedBox)
        .join(Label, Label.id == ImportedBox.label_id)
        .where(ImportedBox.sample_id == sample_id, Label.deleted_at.is_(None), ~taken)
    )
    return {box.id: box for box in found}


def propose(session: Session, sample: Sample, outlines: Mapping[UUID, Content], author: UUID) -> int:
    """Give objects the outlines that a batch has drawn, unconfirmed, as one revision; of how many.

    Ids that no object has become new ones. `sample` is locked by the caller, and the contents of objects that
    are there say what the rows say now but for their outlines.
    """
    current = annotations.current_rows(session, sample.id)
    if outlines:
        save = Save(
            sample,
            [current[key] for key in outlines if key in current],
            [
                Opening(replace(content, unconfirmed=True), current.get(key))
                for key, content in outlines.items()
            ],
        )
        annotations.settle(session, [save], Action.PRE_LABEL, author)
    return len(outlines)


def review(
    session: Session, sample: Sample, chosen: Collection[UUID] | None, verdict: Verdict, author: UUID
) -> int:
    """Confirm or reject unconfirmed outlines of a sample, locked by the caller, as one revision; how many.

    chosen: of these objects; None: of all. A rejected outline gives way to the one that the object had
    before; label and attributes stay as they are now. An object that was drawn from an imported box goes.
    """
    rows = {
        key: row
        for key, row in annotations.current_rows(session, sample.id).items()
        if row.unconfirmed and (chosen is None or key in chosen)
    }
    if not rows:
        return 0
    if verdict is Verdict.CONFIRM:
        openings = [
            Opening(replace(annotations.content_of(row), unconfirmed=False), row) for row in rows.values()
        ]
        annotations.settle(session, [Save(sample, list(rows.values()), openings)], Action.CONFIRM, author)
        session.execute(delete(ImportedBox).where(ImportedBox.id.in_(rows)))
        return len(rows)
    before = _confirmed_before(session, sample.id, rows)
    openings = [Opening(_with_outline_of(row, before[key]), row) for key, row in rows.items() if key in before]
    annotations.settle(session, [Save(sample, list(rows.values()), openings)], Action.REJECT, author)
    return len(rows)


def review_some(
    session: Session, ids: Select[UUID], verdict: Verdict, author: UUID, after: UUID | None, limit: int
) -> Reviewed:
    """Confirm or reject all unconfirmed outlines of the next of the samples, by id, up to `limit` of them."""
    waiting = exists().where(
        Annotation.sample_id == Sample.id, Annotation.unconfirmed, Annotation.valid_to.is_(None)
    )
    asked = ids.where(waiting) if after is None else ids.where(waiting, Sample.id > after)
    found = session.scalars(asked.order_by(None).order_by(Sample.id).limit(limit)).all()
    locked: Sequence[Sample] = session.scalars(
        select(Sample)
        .where(Sample.id.in_(found))
        # In order, so that two slices never wait for each other.
        .order_by(Sample.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    counts = [_review_alone(session, sample, verdict, author) for sample in locked]
    done = [count for count in counts if count]
    return Reviewed(found[-1] if found else None, len(done), sum(done), counts.count(None))


def _review_alone(session: Session, sample: Sample, verdict: Verdict, author: UUID) -> int | None:
    """How many outlines of the sample were reviewed; None where it has to be left as it is."""
    try:
        with session.begin_nested():
            return review(session, sample, None, verdict, author)
    except LabelDeletedError:
        # Its deletion is about to take the objects away; it must not take the other samples' review along.
        return None


def _confirmed_before(
    session: Session, sample_id: UUID, rows: Mapping[UUID, Annotation]
) -> dict[UUID, Annotation]:
    """The latest row of each object from before its outline waited for anybody."""
    earlier = session.scalars(
        select(Annotation)
        .where(
            Annotation.sample_id == sample_id,
            Annotation.annotation_id.in_(rows),
            ~Annotation.unconfirmed,
            Annotation.valid_to.is_not(None),
        )
        .order_by(Annotation.valid_from)
    )
    # Later ones take the place of earlier ones.
    return {row.annotation_id: row for row in earlier}


def _with_outline_of(row: Annotation, before: Annotation) -> Content:
    outline = annotations.content_of(before)
    return replace(
        annotations.content_of(row),
        contour=outline.contour,
        bounding_box=outline.bounding_box,
        area=outline.area,
        vertex_count=outline.vertex_count,
        method=outline.method,
        prompt=outline.prompt,
        contour_id=outline.contour_id,
        engine=outline.engine,
        model_digest=outline.model_digest,
        score=outline.score,
        unconfirmed=False,
    )
