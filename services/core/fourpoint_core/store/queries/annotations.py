"""Annotation documents: every save is one revision, and the sample's row is its lock.

`settle` is the one place where a revision is written, of one sample or of many, in a number of statements
that does not grow with the objects in them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Integer, Table, Uuid, case, func, literal, null, or_, select, update
from sqlalchemy import cast as sql_cast
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
from fourpoint_core.errors import IdTakenError, LabelDeletedError, NotFoundError
from fourpoint_core.store.models import Annotation, InferredContour, Label, Revision, Sample

_ANNOTATIONS = cast(Table, Annotation.__table__)
_REVISIONS = cast(Table, Revision.__table__)
_CONTOURS = cast(Table, InferredContour.__table__)
_SHAPE = ("bounding_box", "area", "vertex_count")
# Saves of jobs: who labeled the image stays who did, and what came from a file was labeled by nobody here.
MECHANICAL = {Action.MERGE_LABEL, Action.DELETE_LABEL, Action.SYNC, Action.PRE_LABEL, Action.REJECT}
# Of one sample's objects made in one save: their order is kept, since lists go by time.
_STEP = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LabeledAnnotation:
    """An annotation with its label as that is now: a rename shows at once."""

    row: Annotation
    label: Label


@dataclass(frozen=True, slots=True)
class Opening:
    """A row to be written.

    origin: the row that it follows; None for an object that is new to the document.
    is_copy: it brings `origin` back as it was, and is no edit of it.
    """

    content: Content
    origin: Annotation | None = None
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Save:
    """What one revision changes. sample: locked; closed: current rows that end with it.

    copy_of: the first revision with just the contents that it brings back, if it brings any back.
    """

    sample: Sample
    closed: Sequence[Annotation] = ()
    opened: Sequence[Opening] = ()
    undo_to: int | None = None
    redo_to: int | None = None
    restored_from: int | None = None
    copy_of: int | None = None


def current_annotations(session: Session, sample_id: UUID) -> Sequence[LabeledAnnotation]:
    """The objects of the current document in painting order: by z-order, then oldest first."""
    return _labeled(session, Annotation.sample_id == sample_id, Annotation.valid_to.is_(None))


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


def content_of(row: Annotation) -> Content:
    """What a row says."""
    fields = {name: getattr(row, name) for name in (*FIELD_OF_COLUMN, *_SHAPE)}
    return Content(id=row.annotation_id, **{**fields, "vertex_count": row.vertex_count or 0})


def add_annotation(session: Session, sample: Sample, new: NewAnnotation, author: UUID) -> bool:
    """Add one object as a new revision; `sample` is locked by the caller.

    Adding what is already there under the same id changes nothing and returns False.
    Raises IdTakenError when the id names something else, or named something that was deleted;
    LabelDeletedError; or InvalidInputError when the document is full.
    """
    versions = _versions(session, sample, new.id)
    if _is_repetition(versions, new):
        return False
    if versions:
        raise IdTakenError(f"The annotation id {new.id} is taken on this sample; use a new id.")
    content = new.content
    check_document_size(sample.annotation_count + 1, _vertices(session, sample) + content.vertex_count)
    settle(session, [Save(sample, opened=[Opening(content)])], Action.ADD, author)
    return True


def is_there(session: Session, sample: Sample, new: NewAnnotation) -> bool:
    """Whether the document has this object under its id, and said just this of it once."""
    return _is_repetition(_versions(session, sample, new.id), new)


def change_annotation(
    session: Session, sample: Sample, row: Annotation, content: Content, author: UUID
) -> bool:
    """Give one object of the current document another content; `sample` is locked by the caller.

    Returns False where it already has that. Raises LabelDeletedError, or InvalidInputError when the document
    becomes too large.
    """
    if not compare({0: row}, {0: content}).changed:
        return False
    vertices = _vertices(session, sample) - (row.vertex_count or 0) + content.vertex_count
    check_document_size(sample.annotation_count, vertices)
    settle(session, [Save(sample, [row], [Opening(content, row)])], Action.EDIT, author)
    return True


def remove_annotation(session: Session, sample: Sample, annotation_id: UUID, author: UUID) -> None:
    """Take one object out of the document; `sample` is locked by the caller. Raises NotFoundError."""
    found = current_annotation(session, sample.id, annotation_id)
    settle(session, [Save(sample, [found.row])], Action.DELETE, author)


def is_document(current: Mapping[UUID, Annotation], wanted: Sequence[Content]) -> bool:
    """Whether the current rows say just that."""
    return compare(current, {content.id: content for content in wanted}).is_empty


def replace_document(
    session: Session,
    sample: Sample,
    current: Mapping[UUID, Annotation],
    wanted: Sequence[Content],
    author: UUID,
    action: Action = Action.REPLACE,
) -> bool:
    """Make `wanted` the document, in place of `current`; `sample` is locked by the caller.

    Returns False where it already is. Raises LabelDeletedError, or InvalidInputError when it is too large.
    """
    by_id = {content.id: content for content in wanted}
    difference = compare(current, by_id)
    if difference.is_empty:
        return False
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
    settle(session, [save], action, author)
    return True


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

    Raises LabelDeletedError where they need a label that is gone.
    """
    current = current_rows(session, sample.id)
    wanted = rows_at(session, sample.id, revision)
    difference = compare(current, wanted)
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


def settle(session: Session, saves: Sequence[Save], action: Action, author: UUID) -> None:
    """Write one revision of each sample: rows that end, rows that begin, and the sample's new state.

    The samples are locked by the caller, each in one save only, and are up to date afterwards; labeled or not
    follows from the count. Raises LabelDeletedError where a row that begins needs a label that is gone.
    """
    labels = _living_labels(session, saves)
    moments = _add_revisions(session, saves, action, author)
    _close_rows(session, saves)
    rows = [
        _columns(save, opening, labels, moments[save.sample.id] + position * _STEP, author)
        for save in saves
        for position, opening in enumerate(save.opened)
    ]
    if rows:
        session.execute(insert(_ANNOTATIONS), rows)
    _update_samples(session, saves, action, author)


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


def shape_before(session: Session, row: Annotation) -> dict[str, Any] | None:
    """The outline that an object had before the one it has; None where it never had another."""
    shape: dict[str, Any] | None = session.scalar(
        select(Annotation.contour)
        .where(
            Annotation.sample_id == row.sample_id,
            Annotation.annotation_id == row.annotation_id,
            Annotation.valid_from < row.valid_from,
            Annotation.contour != row.contour,
        )
        .order_by(Annotation.valid_from.desc())
        .limit(1)
    )
    return shape


def _labeled(session: Session, *conditions: Any) -> Sequence[LabeledAnnotation]:
    rows = session.execute(
        select(Annotation, Label)
        .join(Label, Label.id == Annotation.label_id)
        .where(*conditions)
        .order_by(Annotation.z_order, Annotation.created_at, Annotation.annotation_id)
        .execution_options(populate_existing=True)
    )
    return [LabeledAnnotation(row, label) for row, label in rows]


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
    return session.scalars(
        select(Annotation)
        .where(Annotation.sample_id == sample.id, Annotation.annotation_id == annotation_id)
        .order_by(Annotation.valid_from)
        .execution_options(populate_existing=True)
    ).all()


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


def _vertices(session: Session, sample: Sample) -> int:
    statement = select(func.coalesce(func.sum(Annotation.vertex_count), 0))
    where = (Annotation.sample_id == sample.id, Annotation.valid_to.is_(None))
    return session.scalar(statement.where(*where)) or 0


def _living_labels(session: Session, saves: Sequence[Save]) -> dict[UUID, UUID]:
    """Where each label of the rows that begin leads: to itself, or to what it was merged into.

    They are kept from being deleted until the transaction ends; see `labels.mark_deleted`.
    """
    wanted = {opening.content.label_id for save in saves for opening in save.opened}
    if not wanted:
        return {}
    merged = select(Label.merged_into).where(Label.id.in_(wanted))
    statement = (
        select(Label)
        .where(or_(Label.id.in_(wanted), Label.id.in_(merged)))
        .order_by(Label.id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    found = {label.id: label for label in session.scalars(statement)}
    return {label_id: _living(found, label_id) for label_id in wanted}


def _living(found: Mapping[UUID, Label], label_id: UUID) -> UUID:
    label = found.get(label_id)
    if label is not None and label.merged_into is not None:
        label = found.get(label.merged_into)
    if label is None or label.deleted_at is not None:
        name = label_id if label_id not in found else repr(found[label_id].name)
        raise LabelDeletedError(f"The label {name} was deleted; restore it, or choose another label.")
    return label.id


def _add_revisions(
    session: Session, saves: Sequence[Save], action: Action, author: UUID
) -> dict[UUID, datetime]:
    """Number the revisions; when each was made."""
    values = [
        {
            "sample_id": save.sample.id,
            "number": save.sample.revision + 1,
            "action": action.value,
            "author_id": author,
            "undo_to": save.undo_to,
            "redo_to": save.redo_to,
            "restored_from": save.restored_from,
            "copy_of": save.copy_of,
        }
        for save in saves
    ]
    statement = insert(_REVISIONS).values(values).returning(_REVISIONS.c.sample_id, _REVISIONS.c.created_at)
    return {row.sample_id: row.created_at for row in session.execute(statement)}


def _close_rows(session: Session, saves: Sequence[Save]) -> None:
    closed = [row for save in saves for row in save.closed]
    if not closed:
        return
    ending = (
        func.unnest(
            sql_cast([row.sample_id for row in closed], ARRAY(Uuid)),
            sql_cast([row.annotation_id for row in closed], ARRAY(Uuid)),
        )
        .table_valued("sample_id", "annotation_id", name="ending")
        .render_derived()
    )
    session.execute(
        update(_ANNOTATIONS)
        .where(
            _ANNOTATIONS.c.sample_id == ending.c.sample_id,
            _ANNOTATIONS.c.annotation_id == ending.c.annotation_id,
            _ANNOTATIONS.c.valid_to.is_(None),
            Sample.id == ending.c.sample_id,
        )
        .values(valid_to=Sample.revision + 1)
    )


def _columns(
    save: Save, opening: Opening, labels: Mapping[UUID, UUID], moment: datetime, author: UUID
) -> dict[str, Any]:
    content, origin = opening.content, opening.origin
    made = (author, moment) if origin is None else (origin.created_by, origin.created_at)
    edited: tuple[UUID | None, datetime | None] = (author, moment)
    if origin is None:
        edited = (None, None)
    elif opening.is_copy:
        edited = (origin.edited_by, origin.edited_at)
    return {
        "sample_id": save.sample.id,
        "annotation_id": content.id,
        "valid_from": save.sample.revision + 1,
        **{name: getattr(content, name) for name in (*FIELD_OF_COLUMN, *_SHAPE)},
        "label_id": labels[content.label_id],
        "created_by": made[0],
        "created_at": made[1],
        "edited_by": edited[0],
        "edited_at": edited[1],
    }


def _update_samples(session: Session, saves: Sequence[Save], action: Action, author: UUID) -> None:
    counts = [save.sample.annotation_count - len(save.closed) + len(save.opened) for save in saves]
    state = (
        func.unnest(
            sql_cast([save.sample.id for save in saves], ARRAY(Uuid)),
            sql_cast(counts, ARRAY(Integer)),
            sql_cast([save.copy_of for save in saves], ARRAY(Integer)),
        )
        .table_valued("sample_id", "annotation_count", "copy_of", name="state")
        .render_derived()
    )
    mechanical = action in MECHANICAL
    labeled_by = Sample.labeled_by if mechanical else literal(author, Uuid)
    labeled_at = Sample.labeled_at if mechanical else func.clock_timestamp()
    is_labeled = state.c.annotation_count > 0
    statement = (
        update(Sample)
        .where(Sample.id == state.c.sample_id)
        .values(
            revision=Sample.revision + 1,
            annotation_count=state.c.annotation_count,
            labeled_by=case((is_labeled, labeled_by), else_=null()),
            labeled_at=case((is_labeled, labeled_at), else_=null()),
            copied_in=case((state.c.copy_of.is_not(None), Sample.revision + 1), else_=null()),
            copied_revision=state.c.copy_of,
        )
        .returning(Sample)
    )
    options = {"populate_existing": True, "synchronize_session": False}
    session.scalars(statement, execution_options=options).all()
