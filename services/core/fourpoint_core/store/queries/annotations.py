"""Annotation documents: every save is one revision, and the sample's row is its lock.

`settle` is the one place where a revision is written, of one sample or of many, in a number of statements
that does not grow with the objects in them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, Uuid, any_, bindparam, exists, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from fourpoint_core.domain.annotations import (
    TRAITS,
    Content,
    NewAnnotation,
    Provenance,
    check_document_size,
)
from fourpoint_core.domain.history import FIELD_OF_COLUMN, Action, compare
from fourpoint_core.errors import FrameChangedError, IdTakenError, LabelDeletedError, NotFoundError
from fourpoint_core.store.models import Annotation, InferredContour, Label, Revision, Sample
from fourpoint_core.store.queries import revision_rows
from fourpoint_core.store.queries.annotation_rows import (
    LabeledAnnotation,
    Row,
    painting_order,
    with_confidence,
)
from fourpoint_core.store.queries.held_documents import Room
from fourpoint_core.store.queries.revision_rows import SHAPE, Opening, Save

# Beside what stands here: what `settle` takes, and what documents are made of.
__all__ = ["LabeledAnnotation", "Opening", "Save", "painting_order", "with_confidence"]

_CONTOURS = cast(Table, InferredContour.__table__)
_NONE_HELD: Mapping[UUID, Label] = {}


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save left of a document: the objects that it wrote, and whether its author has a draft of it."""

    annotations: Sequence[LabeledAnnotation]
    has_draft: bool


def current_annotations(session: Session, sample_id: UUID) -> Sequence[LabeledAnnotation]:
    """The objects of the current document, in painting order."""
    rows = session.execute(_CURRENT, {"sample_id": sample_id})
    return with_confidence(session, [LabeledAnnotation(row, label) for row, label in rows])


def annotations_at(session: Session, sample_id: UUID, revision: int) -> Sequence[LabeledAnnotation]:
    """The objects of a revision, in painting order, with their labels as those are now."""
    return _labeled(session, Annotation.sample_id == sample_id, *_valid_at(revision))


def current_annotation(session: Session, sample_id: UUID, annotation_id: UUID) -> LabeledAnnotation:
    """One object of the current document. Raises NotFoundError."""
    found = _labeled(
        session,
        Annotation.sample_id == sample_id,
        Annotation.annotation_id == annotation_id,
        Annotation.valid_to.is_(None),
    )
    if not found:
        raise NotFoundError(f"The sample has no annotation {annotation_id}.")
    return found[0]


def current_rows(session: Session, sample_id: UUID) -> dict[UUID, Annotation]:
    """The objects of the current document by id."""
    return _rows(session, Annotation.sample_id == sample_id, Annotation.valid_to.is_(None))


def rows_at(session: Session, sample_id: UUID, revision: int) -> dict[UUID, Annotation]:
    """The objects of a revision by id."""
    return _rows(session, Annotation.sample_id == sample_id, *_valid_at(revision))


def content_of(row: Row) -> Content:
    """What a row says."""
    fields = {name: getattr(row, name) for name in (*FIELD_OF_COLUMN, *SHAPE)}
    return Content(id=row.annotation_id, **{**fields, "vertex_count": row.vertex_count or 0})


def add_annotation(
    session: Session,
    sample: Sample,
    new: NewAnnotation,
    author: UUID,
    *,
    check: Callable[[], None] = lambda: None,
    held: Mapping[UUID, Label] = _NONE_HELD,
    room: Room | None = None,
) -> Saved | None:
    """Add one object as a new revision; `sample` is locked by the caller.

    Adding what is already there under the same id changes nothing and returns None, and asks no `check`, the
    caller's precondition: who repeats a request whose answer was lost gets the answer. held: as for `settle`.
    room: what the caller has read under the lock; where it is missing, it is asked for.
    Raises IdTakenError when the id names something else, or named something that was deleted;
    LabelDeletedError; InvalidInputError when the document is full; or what `check` raises.
    """
    room = room or _room(session, sample, new.id)
    if room.is_known and _is_repetition(_versions(session, sample, new.id), new):
        return None
    check()
    if room.is_known:
        raise IdTakenError(f"The annotation id {new.id} is taken on this sample; use a new id.")
    content = new.content
    check_document_size(sample.annotation_count + 1, room.vertices + content.vertex_count)
    return settle(session, [Save(sample, opened=[Opening(content)])], Action.ADD, author, held)[sample.id]


def change_annotation(
    session: Session, sample: Sample, row: Row, content: Content, author: UUID
) -> Saved | None:
    """Give one object of the current document another content; `sample` is locked by the caller.

    Returns None where it already has that. Raises LabelDeletedError, or InvalidInputError when the document
    becomes too large.
    """
    if not compare({0: row}, {0: content}).changed:
        return None
    vertices = _vertices(session, sample) - (row.vertex_count or 0) + content.vertex_count
    check_document_size(sample.annotation_count, vertices)
    return settle(session, [Save(sample, [row], [Opening(content, row)])], Action.EDIT, author)[sample.id]


def remove_annotation(session: Session, sample: Sample, annotation_id: UUID, author: UUID) -> None:
    """Take one object out of the document; `sample` is locked by the caller. Raises NotFoundError."""
    found = current_annotation(session, sample.id, annotation_id)
    settle(session, [Save(sample, [found.row])], Action.DELETE, author)


def replace_document(
    session: Session,
    sample: Sample,
    current: Mapping[UUID, Row],
    wanted: Sequence[Content],
    author: UUID,
    action: Action = Action.REPLACE,
    *,
    check: Callable[[], None] = lambda: None,
    held: Mapping[UUID, Label] = _NONE_HELD,
) -> Saved | None:
    """Make `wanted` the document, in place of `current`; `sample` is locked by the caller.

    Returns None where it already is, and asks no `check` then, as `add_annotation`. held: as for `settle`.
    Raises LabelDeletedError, InvalidInputError when it is too large, or what `check` raises.
    """
    by_id = {content.id: content for content in wanted}
    difference = compare(current, by_id)
    if difference.is_empty:
        return None
    check()
    check_document_size(len(by_id), sum(content.vertex_count for content in wanted))
    save = Save(
        sample,
        closed=[current[key] for key in (*difference.removed, *difference.changed)],
        opened=[
            Opening(content, current.get(content.id))
            for content in wanted
            if content.id in difference.changed or content.id not in current
        ],
    )
    return settle(session, [save], action, author, held)[sample.id]


def show_revision(
    session: Session,
    sample: Sample,
    revision: int,
    action: Action,
    author: UUID,
    *,
    undo_to: int | None = None,
    redo_to: int | None = None,
    restored_from: int | None = None,
) -> None:
    """Save the contents of an earlier revision as the current one; `sample` is locked by the caller.

    Raises LabelDeletedError where they need a label that is gone, and FrameChangedError where an object would
    lie outside of the image, because a file of another size has taken its place.
    """
    current = current_rows(session, sample.id)
    wanted = rows_at(session, sample.id, revision)
    difference = compare(current, wanted)
    _require_frame(sample, [wanted[key] for key in (*difference.added, *difference.changed)])
    save = Save(
        sample,
        closed=[current[key] for key in (*difference.removed, *difference.changed)],
        opened=[
            Opening(content_of(wanted[key]), wanted[key], is_copy=True)
            for key in (*difference.added, *difference.changed)
        ],
        undo_to=undo_to,
        redo_to=redo_to,
        restored_from=restored_from,
        copy_of=_origin(session, sample.id, revision),
    )
    settle(session, [save], action, author)


def _require_frame(sample: Sample, rows: Sequence[Annotation]) -> None:
    corners = [row.bounding_box[2:] for row in rows]
    outside = sum(right > sample.width or bottom > sample.height for right, bottom in corners)
    if outside:
        raise FrameChangedError(
            f"{outside} objects of the revision lie outside of the image, which has {sample.width} x"
            f" {sample.height} pixels since its file was replaced. Put the earlier file back and synchronise,"
            " or draw them anew."
        )


def settle(
    session: Session,
    saves: Sequence[Save],
    action: Action,
    author: UUID,
    held: Mapping[UUID, Label] = _NONE_HELD,
) -> dict[UUID, Saved]:
    """Write one revision of each sample: rows that end, rows that begin, and the sample's new state. By sample.

    The samples are locked by the caller, each in one save only, and are up to date afterwards; labeled or not
    follows from the count. held: labels that the transaction keeps from being deleted already, see
    `labels.hold_labels`. Raises LabelDeletedError where a row that begins needs a label that is gone.
    """
    labels = _living_labels(session, saves, held)
    by_id = {label.id: label for label in labels.values()}
    return {
        sample_id: Saved(
            [LabeledAnnotation(row, by_id[row.label_id]) for row in written.rows], written.has_draft
        )
        for sample_id, written in revision_rows.write(session, saves, labels, action, author).items()
    }


def record_contour(session: Session, contour: InferredContour) -> None:
    """Keep the answer to a prompt."""
    given = {
        column.name: getattr(contour, column.name) for column in _CONTOURS.c if column.server_default is None
    }
    session.execute(insert(_CONTOURS), given)


def get_contour(session: Session, sample_id: UUID, contour_id: UUID) -> InferredContour:
    """Read a recorded contour of that sample. Raises NotFoundError."""
    found = get_contours(session, sample_id, [contour_id])
    if not found:
        raise NotFoundError(f"The sample has no inferred contour {contour_id}.")
    return next(iter(found.values()))


def get_contours(
    session: Session, sample_id: UUID, contour_ids: Collection[UUID]
) -> dict[UUID, InferredContour]:
    """Those of the recorded contours that the sample has."""
    if not contour_ids:
        return {}
    rows = session.scalars(
        select(InferredContour).where(
            InferredContour.id.in_(contour_ids), InferredContour.sample_id == sample_id
        )
    )
    return {row.id: row for row in rows}


def drawn_before(
    session: Session, sample: Sample, annotation_id: UUID, prompt: dict[str, Any], label_id: UUID
) -> tuple[InferredContour, int] | None:
    """What a prompt gave when an object was made of it, and the revision of that; None where none was.

    annotation_id: of an object that is there, whatever was done to it since. prompt: as a contour keeps it.
    """
    versions = _versions(session, sample, annotation_id)
    if not versions or versions[-1].valid_to is not None:
        return None
    for row in versions:
        if row.prompt == prompt and row.label_id == label_id and row.contour_id is not None:
            return get_contour(session, sample.id, row.contour_id), row.valid_from
    return None


def provenance_of(contour: InferredContour) -> Provenance:
    """What an annotation made from a recorded contour says about its origin."""
    return Provenance(contour.id, contour.prompt, contour.engine, contour.model_digest, contour.score)


def shape_before(session: Session, row: Row) -> dict[str, Any] | None:
    """The outline that an object had before the last change of it; None where it never had another.

    One that is back where it was before that change stays: taking it back again would bring the change back.
    """
    changed = _shape_before(session, row)
    if changed is None:
        return None
    earlier = _shape_before(session, changed)
    is_back = earlier is not None and earlier.contour == row.contour
    return row.contour if is_back else changed.contour


def _shape_before(session: Session, row: Row) -> Annotation | None:
    """The last row of the object that had another outline."""
    return session.scalar(
        select(Annotation)
        .where(
            Annotation.sample_id == row.sample_id,
            Annotation.annotation_id == row.annotation_id,
            Annotation.valid_from < row.valid_from,
            Annotation.contour != row.contour,
        )
        .order_by(Annotation.valid_from.desc())
        .limit(1)
    )


def _labeled(session: Session, *conditions: Any) -> Sequence[LabeledAnnotation]:
    rows = session.execute(_WITH_LABELS.where(*conditions))
    return with_confidence(session, [LabeledAnnotation(row, label) for row, label in rows])


def _rows(session: Session, *conditions: Any) -> dict[UUID, Annotation]:
    statement = select(Annotation).where(*conditions).execution_options(populate_existing=True)
    return {row.annotation_id: row for row in session.scalars(statement)}


def _valid_at(revision: int) -> tuple[Any, Any]:
    return (
        Annotation.valid_from <= revision,
        or_(Annotation.valid_to.is_(None), Annotation.valid_to > revision),
    )


def _versions(session: Session, sample: Sample, annotation_id: UUID) -> Sequence[Annotation]:
    """Every row of one object, first to last."""
    return session.scalars(_VERSIONS, {"sample_id": sample.id, "annotation_id": annotation_id}).all()


def _is_repetition(versions: Sequence[Annotation], new: NewAnnotation) -> bool:
    """Whether the object is there, and was once what the request says: whoever repeats it has his answer."""
    if not versions or versions[-1].valid_to is not None:
        return False
    content = new.content
    said = ("label_id", "contour", "contour_id", *TRAITS)
    return any(all(getattr(row, name) == getattr(content, name) for name in said) for row in versions)


def _origin(session: Session, sample_id: UUID, revision: int) -> int:
    """The first revision with the contents of this one."""
    copy_of = session.scalar(
        select(Revision.copy_of).where(Revision.sample_id == sample_id, Revision.number == revision)
    )
    return revision if copy_of is None else copy_of


def _room(session: Session, sample: Sample, annotation_id: UUID) -> Room:
    values = {"sample_id": sample.id, "annotation_id": annotation_id}
    return Room(*session.connection().execute(_ROOM, values).one())


def _vertices(session: Session, sample: Sample) -> int:
    return session.connection().scalar(_VERTICES, {"sample_id": sample.id}) or 0


def _living_labels(session: Session, saves: Sequence[Save], held: Mapping[UUID, Label]) -> dict[UUID, Label]:
    """Where each label of the rows that begin leads: to itself, or to what it was merged into.

    They are kept from being deleted until the transaction ends; see `labels.mark_deleted`.
    """
    needed = {opening.content.label_id for save in saves for opening in save.opened}
    leading = {label_id: held[label_id] for label_id in needed & held.keys()}
    wanted = needed - held.keys()
    if not wanted:
        return leading
    found = {label.id: label for label in session.scalars(_HOLD_OR_HEIRS, {"ids": list(wanted)})}
    return leading | {label_id: _living(found, label_id) for label_id in wanted}


def _living(found: Mapping[UUID, Label], label_id: UUID) -> Label:
    label = found.get(label_id)
    if label is not None and label.merged_into is not None:
        label = found.get(label.merged_into)
    if label is None or label.deleted_at is not None:
        name = label_id if label_id not in found else repr(found[label_id].name)
        raise LabelDeletedError(f"The label {name} was deleted; restore it, or choose another label.")
    return label


# Made once: making a statement costs more than sending it.
_WITH_LABELS = (
    select(Annotation, Label)
    .join(Label, Label.id == Annotation.label_id)
    .order_by(Annotation.z_order, Annotation.created_at, Annotation.annotation_id)
    .execution_options(populate_existing=True)
)
_CURRENT = _WITH_LABELS.where(Annotation.sample_id == bindparam("sample_id"), Annotation.valid_to.is_(None))
_VERTICES = select(func.coalesce(func.sum(Annotation.vertex_count), 0)).where(
    Annotation.sample_id == bindparam("sample_id"), Annotation.valid_to.is_(None)
)
# Whether one object more may be added: how many vertices there are, and whether its id was ever in use.
_ROOM = select(
    _VERTICES.scalar_subquery(),
    exists().where(
        Annotation.sample_id == bindparam("sample_id"), Annotation.annotation_id == bindparam("annotation_id")
    ),
)
_VERSIONS = (
    select(Annotation)
    .where(
        Annotation.sample_id == bindparam("sample_id"), Annotation.annotation_id == bindparam("annotation_id")
    )
    .order_by(Annotation.valid_from)
    .execution_options(populate_existing=True)
)
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_HOLD_OR_HEIRS = (
    select(Label)
    .where(or_(Label.id == any_(_IDS), Label.id.in_(select(Label.merged_into).where(Label.id == any_(_IDS)))))
    .order_by(Label.id)
    .with_for_update(read=True)
    .execution_options(populate_existing=True)
)
