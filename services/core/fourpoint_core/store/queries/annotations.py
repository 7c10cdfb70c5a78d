"""Annotation documents: every save is one revision, and the sample's row is its lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.annotations import NewAnnotation, Provenance
from fourpoint_core.domain.geometry import contour_to_json
from fourpoint_core.errors import IdTakenError, NotFoundError
from fourpoint_core.store.models import Annotation, Draft, InferredContour, Label, Revision, Sample


@dataclass(frozen=True, slots=True)
class LabeledAnnotation:
    """A current annotation with the label as it is now: a rename shows at once."""

    row: Annotation
    label: Label


def current_annotations(session: Session, sample_id: UUID) -> Sequence[LabeledAnnotation]:
    """The objects of the current document, oldest first."""
    rows = session.execute(
        select(Annotation, Label)
        .join(Label, Label.id == Annotation.label_id)
        .where(Annotation.sample_id == sample_id, Annotation.valid_to.is_(None))
        .order_by(Annotation.created_at, Annotation.annotation_id)
    )
    return [LabeledAnnotation(row, label) for row, label in rows]


def current_annotation(session: Session, sample_id: UUID, annotation_id: UUID) -> LabeledAnnotation:
    """One object of the current document. Raises NotFoundError."""
    found = session.execute(
        select(Annotation, Label)
        .join(Label, Label.id == Annotation.label_id)
        .where(
            Annotation.sample_id == sample_id,
            Annotation.annotation_id == annotation_id,
            Annotation.valid_to.is_(None),
        )
    ).one_or_none()
    if found is None:
        raise NotFoundError(f"The sample has no annotation {annotation_id}.")
    return LabeledAnnotation(*found)


def add_annotation(session: Session, sample: Sample, new: NewAnnotation, author: UUID) -> bool:
    """Add one object as a new revision; `sample` is locked by the caller.

    Adding what is already there under the same id changes nothing and returns False.
    Raises IdTakenError when the id names something else, or named something that was deleted.
    """
    if is_there(session, sample, new):
        return False
    if _last_row(session, sample, new.id) is not None:
        raise IdTakenError(f"The annotation id {new.id} is taken on this sample; use a new id.")
    number = _new_revision(session, sample, "add", author)
    session.add(_row(sample, number, new, author))
    session.flush()
    _settle(session, sample, number, author, sample.annotation_count + 1)
    return True


def is_there(session: Session, sample: Sample, new: NewAnnotation) -> bool:
    """Whether the current document has this very object, under its id."""
    row = _last_row(session, sample, new.id)
    return row is not None and row.valid_to is None and _says_the_same(row, new)


def remove_annotation(session: Session, sample: Sample, annotation_id: UUID, author: UUID) -> None:
    """Take one object out of the document; `sample` is locked by the caller. Raises NotFoundError."""
    found = current_annotation(session, sample.id, annotation_id)
    number = _new_revision(session, sample, "delete", author)
    session.execute(
        update(Annotation)
        .where(
            Annotation.sample_id == sample.id,
            Annotation.annotation_id == annotation_id,
            Annotation.valid_from == found.row.valid_from,
        )
        .values(valid_to=number)
    )
    _settle(session, sample, number, author, sample.annotation_count - 1)


def record_contour(session: Session, contour: InferredContour) -> None:
    """Keep the answer to a prompt."""
    session.add(contour)
    session.flush()


def get_contour(session: Session, sample_id: UUID, contour_id: UUID) -> InferredContour:
    """Read a recorded contour of that sample. Raises NotFoundError."""
    found = session.scalar(
        select(InferredContour).where(InferredContour.id == contour_id, InferredContour.sample_id == sample_id)
    )
    if found is None:
        raise NotFoundError(f"The sample has no inferred contour {contour_id}.")
    return found


def provenance_of(contour: InferredContour) -> Provenance:
    """What an annotation made from a recorded contour says about its origin."""
    return Provenance(contour.id, contour.prompt, contour.engine, contour.model_digest, contour.score)


def get_draft(session: Session, sample_id: UUID, user_id: UUID) -> Draft | None:
    """What this person has not saved yet."""
    return session.get(Draft, (sample_id, user_id), populate_existing=True)


def add_to_draft(session: Session, sample: Sample, user_id: UUID, entry: dict[str, Any]) -> None:
    """Append one object to a person's draft, or replace the one with the same id."""
    session.execute(
        insert(Draft)
        .values(sample_id=sample.id, user_id=user_id, base_revision=sample.revision, annotations=[])
        .on_conflict_do_nothing()
    )
    draft = session.scalars(
        select(Draft).where(Draft.sample_id == sample.id, Draft.user_id == user_id).with_for_update()
    ).one()
    others = [annotation for annotation in draft.annotations if annotation["id"] != entry["id"]]
    draft.annotations = [*others, entry]
    draft.updated_at = func.clock_timestamp()
    session.flush()


def discard_draft(session: Session, sample_id: UUID, user_id: UUID) -> None:
    """Throw a person's draft away; nothing happens when there is none."""
    session.execute(delete(Draft).where(Draft.sample_id == sample_id, Draft.user_id == user_id))


def _last_row(session: Session, sample: Sample, annotation_id: UUID) -> Annotation | None:
    return session.scalar(
        select(Annotation)
        .where(Annotation.sample_id == sample.id, Annotation.annotation_id == annotation_id)
        .order_by(Annotation.valid_from.desc())
        .limit(1)
    )


def _says_the_same(row: Annotation, new: NewAnnotation) -> bool:
    contour_id = None if new.provenance is None else new.provenance.contour_id
    return (row.label_id, row.contour, row.contour_id) == (
        new.label_id,
        contour_to_json(new.contour),
        contour_id,
    )


def _new_revision(session: Session, sample: Sample, action: str, author: UUID) -> int:
    number = sample.revision + 1
    session.add(Revision(sample_id=sample.id, number=number, action=action, author_id=author))
    session.flush()
    return number


def _settle(session: Session, sample: Sample, number: int, author: UUID, annotation_count: int) -> None:
    """Point the sample at its new revision; labeled or not follows from the count."""
    sample.revision = number
    sample.annotation_count = annotation_count
    sample.labeled_by = author if annotation_count else None
    sample.labeled_at = func.clock_timestamp() if annotation_count else None
    session.flush()
    session.refresh(sample)


def _row(sample: Sample, number: int, new: NewAnnotation, author: UUID) -> Annotation:
    provenance = new.provenance
    return Annotation(
        sample_id=sample.id,
        annotation_id=new.id,
        valid_from=number,
        label_id=new.label_id,
        contour=contour_to_json(new.contour),
        bounding_box=new.contour.bounding_box.as_list(),
        area=new.contour.area,
        method=new.method.value,
        prompt=None if provenance is None else provenance.prompt,
        contour_id=None if provenance is None else provenance.contour_id,
        engine=None if provenance is None else provenance.engine,
        model_digest=None if provenance is None else provenance.model_digest,
        score=None if provenance is None else provenance.score,
        created_by=author,
    )
