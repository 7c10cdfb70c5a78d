"""What can be done with annotations; no HTTP."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

from fourpoint_api.resources.annotations.preconditions import Precondition
from fourpoint_core.domain.annotations import Content, NewAnnotation, Traits, check_attributes
from fourpoint_core.domain.edits import VertexEdit, moved, resized, with_edited_vertices
from fourpoint_core.domain.geometry import Box, Contour, contour_from_json, contour_to_json, validate_contour
from fourpoint_core.domain.history import Action, State, redo_target, undo_target
from fourpoint_core.domain.labels import clean_label_name
from fourpoint_core.errors import FieldError, InvalidInputError
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import InferredContour, Label, Sample
from fourpoint_core.store.queries import annotations, drafts, history, labels, samples
from fourpoint_core.store.queries.annotation_rows import LabeledAnnotation, Row
from fourpoint_core.store.queries.held_documents import open_to_add, open_to_replace
from fourpoint_core.store.session import Session, Sessions, note_result, unit_of_work

MAX_ERRORS_TOLD = 100
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class AnnotationRequest:
    """An object as a request has it; what is None, or missing from `traits`, was not given."""

    id: UUID | None = None
    contour: dict[str, Any] | None = None
    contour_id: UUID | None = None
    label_id: UUID | None = None
    label_name: str | None = None
    traits: dict[str, Any] = field(default_factory=dict)

    def cleaned(self, pointer: str = "") -> "AnnotationRequest":
        """With the label's name as it is stored, and bounded attributes. Raises InvalidInputError."""
        if "attributes" in self.traits:
            check_attributes(self.traits["attributes"], f"{pointer}/attributes")
        if self.label_name is None:
            return self
        return replace(self, label_name=clean_label_name(self.label_name, f"{pointer}/label"))


@dataclass(frozen=True, slots=True)
class GeometryEdit:
    """A change of an outline on the server; at most one of the four."""

    move: tuple[float, float] | None = None
    resize: Box | None = None
    vertices: Sequence[VertexEdit] = ()
    reset: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The objects of a sample at one moment, and where undo and redo would lead."""

    sample: Sample
    annotations: Sequence[LabeledAnnotation]
    state: State

    @property
    def undo_to(self) -> int | None:
        """See history.undo_target."""
        return undo_target(self.state)

    @property
    def redo_to(self) -> int | None:
        """See history.redo_target."""
        return redo_target(self.state)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the requests of one save refer to, looked up once for all of them. held: as for `settle`."""

    sample: Sample
    labels_by_name: Mapping[str, UUID]
    label_ids: Collection[UUID]
    held: Mapping[UUID, Label]
    contours: Mapping[UUID, InferredContour]


def read_document(sessions: Sessions, sample_id: UUID) -> Document:
    """A sample and its current annotations, of one moment. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        # Shared lock: no save comes between the revision's number and its rows.
        return document_of(session, samples.get_sample(session, sample_id, share=True))


def document_of(session: Session, sample: Sample) -> Document:
    """The document of a sample that is locked."""
    shown = annotations.current_annotations(session, sample.id)
    return Document(sample, shown, history.state_of(session, sample.id, sample.revision))


def read_one(sessions: Sessions, sample_id: UUID, annotation_id: UUID) -> tuple[Sample, LabeledAnnotation]:
    """One object and its sample, of one moment. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id, share=True)
        return sample, annotations.current_annotation(session, sample_id, annotation_id)


def add(
    sessions: Sessions, sample_id: UUID, wanted: AnnotationRequest, expected: Precondition, author: UUID
) -> tuple[Sample, LabeledAnnotation, bool]:
    """Add an object; returns the sample, the object, and whether anything changed.

    Raises NotFoundError, StaleDocumentError, IdTakenError, LabelDeletedError or InvalidInputError.
    """
    wanted = wanted.cleaned()
    annotation_id = wanted.id or new_id()
    with unit_of_work(sessions) as session:
        named = _named(session, sample_id, [wanted])
        opened = open_to_add(session, sample_id, annotation_id, _label_ids([wanted]))
        sample = opened.sample
        known = _look_up(session, sample, [wanted], named, opened.held)
        new = _new_annotation(known, replace(wanted, id=annotation_id))
        saved = annotations.add_annotation(
            session,
            sample,
            new,
            author,
            check=lambda: expected.require(session, sample),
            held=known.held,
            room=opened.room,
        )
        if saved is None or saved.has_draft:
            drafts.take_from_draft(session, sample.id, author, new.id)
        note_result(session, {"annotation_id": str(new.id), "is_new": saved is not None})
        if saved is None:
            return sample, annotations.current_annotation(session, sample.id, new.id), False
        return sample, saved.annotations[0], True


def added_before(
    sessions: Sessions, sample_id: UUID, result: dict[str, Any]
) -> tuple[Sample, LabeledAnnotation, bool]:
    """As `add`, of an object that was added when its answer was lost, as it is now. result: what `add` noted.

    Raises NotFoundError where it was removed meanwhile.
    """
    return *read_one(sessions, sample_id, UUID(result["annotation_id"])), result["is_new"]


def replace_all(
    sessions: Sessions,
    sample_id: UUID,
    wanted: Sequence[AnnotationRequest],
    expected: Precondition,
    author: UUID,
) -> Document:
    """Make this the document; saving it clears the author's draft.

    A document that is there already is left as it is, whatever was expected: who repeats a save whose answer
    was lost gets the answer. Raises as `add`, but for IdTakenError.
    """
    cleaned = _each(wanted, lambda item, pointer: item.cleaned(pointer))
    _require_distinct(cleaned)
    with unit_of_work(sessions) as session:
        named = _named(session, sample_id, cleaned)
        opened = open_to_replace(session, sample_id, _label_ids(cleaned))
        sample, shown = opened.sample, opened.shown
        current = {item.row.annotation_id: item.row for item in shown}
        try:
            known = _look_up(session, sample, cleaned, named, opened.held, current.values())
            contents = _each(cleaned, lambda item, _: _content(known, item, current))
        except InvalidInputError:
            # What somebody else has removed meanwhile is no mistake of the request.
            expected.require(session, sample)
            raise
        saved = annotations.replace_document(
            session,
            sample,
            current,
            contents,
            author,
            check=lambda: expected.require(session, sample),
            held=known.held,
        )
        if saved is None or saved.has_draft:
            drafts.discard_draft(session, sample.id, author)
        if saved is None:
            state = history.state_of(session, sample.id, sample.revision)
            return Document(sample, annotations.with_confidence(session, shown), state)
        listed = {content.id for content in contents}
        after = {item.row.annotation_id: item for item in shown if item.row.annotation_id in listed}
        after |= {item.row.annotation_id: item for item in saved.annotations}
        state = State(sample.revision, Action.REPLACE)
        left = annotations.with_confidence(session, annotations.painting_order(after.values()))
        return Document(sample, left, state)


def change(
    sessions: Sessions,
    sample_id: UUID,
    annotation_id: UUID,
    wanted: AnnotationRequest,
    edit: GeometryEdit,
    expected: Precondition,
    author: UUID,
) -> tuple[Sample, LabeledAnnotation]:
    """Change one object; what says nothing new changes nothing.

    Raises NotFoundError, StaleDocumentError, LabelDeletedError or InvalidInputError.
    """
    wanted = replace(wanted.cleaned(), id=annotation_id)
    with unit_of_work(sessions) as session:
        sample = samples.lock_document(session, sample_id)
        found = annotations.current_annotation(session, sample.id, annotation_id)
        expected.require(session, sample)
        named = _named(session, sample_id, [wanted])
        held = labels.hold_labels(session, sample.dataset_id, _label_ids([wanted]) - {found.row.label_id})
        known = _look_up(session, sample, [wanted], named, held, [found.row])
        content = _content(known, wanted, {annotation_id: found.row})
        contour = _edited(session, sample, found.row, edit)
        if contour is not None:
            content = content.with_contour(contour)
        saved = annotations.change_annotation(session, sample, found.row, content, author)
        if saved is None or saved.has_draft:
            drafts.take_from_draft(session, sample.id, author, annotation_id)
        return sample, found if saved is None else annotations.with_confidence(session, saved.annotations)[0]


def remove(
    sessions: Sessions, sample_id: UUID, annotation_id: UUID, expected: Precondition, author: UUID
) -> Sample:
    """Take an object out of the document. Raises NotFoundError or StaleDocumentError."""
    with unit_of_work(sessions) as session:
        sample = samples.lock_document(session, sample_id)
        expected.require(session, sample)
        annotations.remove_annotation(session, sample, annotation_id, author)
        drafts.take_from_draft(session, sample.id, author, annotation_id)
        return sample


def remove_all(sessions: Sessions, sample_id: UUID, expected: Precondition, author: UUID) -> Sample:
    """Take every object out of the document; that clears the author's draft.

    Raises NotFoundError or StaleDocumentError.
    """
    with unit_of_work(sessions) as session:
        sample = samples.lock_document(session, sample_id)
        if sample.annotation_count:
            expected.require(session, sample)
        current = annotations.current_rows(session, sample.id)
        annotations.replace_document(session, sample, current, [], author, Action.DELETE_ALL)
        drafts.discard_draft(session, sample.id, author)
        return sample


def _each(items: Sequence[Item], step: Callable[[Item, str], Made]) -> list[Made]:
    """What `step` makes of each item and its pointer. Raises InvalidInputError with what is wrong with any."""
    done: list[Made] = []
    errors: list[FieldError] = []
    for index, item in enumerate(items):
        pointer = f"/annotations/{index}"
        try:
            done.append(step(item, pointer))
        except InvalidInputError as error:
            errors += [_below(found, pointer) for found in error.errors]
    if errors:
        raise InvalidInputError(errors[0].detail, errors[:MAX_ERRORS_TOLD])
    return done


def _below(error: FieldError, pointer: str) -> FieldError:
    return error if error.pointer.startswith(f"{pointer}/") else error.below(pointer)


def _require_distinct(wanted: Sequence[AnnotationRequest]) -> None:
    seen: set[UUID] = set()
    for index, item in enumerate(wanted):
        if item.id in seen:
            raise InvalidInputError.at(
                f"/annotations/{index}/id",
                "id_repeated",
                f"Give each object an id of its own; {item.id} is not.",
            )
        if item.id is not None:
            seen.add(item.id)


def _label_ids(wanted: Sequence[AnnotationRequest]) -> set[UUID]:
    return {item.label_id for item in wanted if item.label_id is not None}


def _named(session: Session, sample_id: UUID, wanted: Sequence[AnnotationRequest]) -> Mapping[str, UUID]:
    """The labels that are named, made if need be: by name; the sample is locked for that, see `labels`."""
    names = [item.label_name for item in wanted if item.label_name is not None]
    if not names:
        return {}
    return labels.labels_named(session, samples.lock_document(session, sample_id).dataset_id, names)


def _look_up(
    session: Session,
    sample: Sample,
    wanted: Sequence[AnnotationRequest],
    by_name: Mapping[str, UUID],
    held: Mapping[UUID, Label],
    current: Collection[Row] = (),
) -> _Known:
    in_use = {row.label_id for row in current}
    contour_ids = {item.contour_id for item in wanted if item.contour_id is not None}
    contours = annotations.get_contours(session, sample.id, contour_ids)
    return _Known(sample, by_name, in_use | held.keys(), held, contours)


def _new_annotation(known: _Known, wanted: AnnotationRequest) -> NewAnnotation:
    recorded = _recorded(known, wanted)
    given = None if wanted.contour is None else contour_from_json(wanted.contour)
    contour = _valid_contour(known.sample, given, recorded)
    if contour is None:
        raise InvalidInputError.at("/contour", "required", "Give contour, contour_id, or both.")
    label_id = _label_id(known, wanted)
    if label_id is None:
        raise InvalidInputError.at("/label", "required", "Give either label_id or label.")
    provenance = None if recorded is None else annotations.provenance_of(recorded)
    return NewAnnotation(wanted.id or new_id(), label_id, contour, provenance, Traits(**wanted.traits))


def _content(known: _Known, wanted: AnnotationRequest, current: Mapping[UUID, Row]) -> Content:
    """What the object is to say; what was not given stays, of an object that is there."""
    row = None if wanted.id is None else current.get(wanted.id)
    if row is None:
        return _new_annotation(known, wanted).content
    label_id = _label_id(known, wanted)
    said = wanted.traits if label_id is None else {**wanted.traits, "label_id": label_id}
    content = annotations.content_of(row)
    return _with_shape(known, wanted, replace(content, **said) if said else content)


def _with_shape(known: _Known, wanted: AnnotationRequest, content: Content) -> Content:
    recorded = _recorded(known, wanted)
    if recorded is not None and recorded.id == content.contour_id:
        # Its own: named again with the rest of the object, it takes no edit back. That is for `reset`.
        recorded = None
    if recorded is not None:
        content = content.with_provenance(annotations.provenance_of(recorded))
    if wanted.contour == content.contour:
        return content
    given = None if wanted.contour is None else contour_from_json(wanted.contour)
    if given is not None and contour_to_json(given) == content.contour:
        return content
    contour = _valid_contour(known.sample, given, recorded)
    return content if contour is None else content.with_contour(contour)


def _recorded(known: _Known, wanted: AnnotationRequest) -> InferredContour | None:
    if wanted.contour_id is None:
        return None
    recorded = known.contours.get(wanted.contour_id)
    if recorded is None:
        raise InvalidInputError.at(
            "/contour_id", "contour_unknown", f"The sample has no inferred contour {wanted.contour_id}."
        )
    return recorded


def _valid_contour(sample: Sample, given: Contour | None, recorded: InferredContour | None) -> Contour | None:
    """The outline that was given, or else the inferred one; None where there is neither."""
    if given is None:
        return None if recorded is None else contour_from_json(recorded.contour)
    try:
        validate_contour(given, sample.width, sample.height)
    except InvalidInputError as error:
        raise InvalidInputError(error.detail, [item.below("/contour") for item in error.errors]) from error
    return given


def _label_id(known: _Known, wanted: AnnotationRequest) -> UUID | None:
    if wanted.label_name is not None:
        return known.labels_by_name[wanted.label_name]
    if wanted.label_id is not None and wanted.label_id not in known.label_ids:
        raise InvalidInputError.at("/label_id", "label_unknown", f"The dataset has no label {wanted.label_id}.")
    return wanted.label_id


def _edited(session: Session, sample: Sample, row: Row, edit: GeometryEdit) -> Contour | None:
    """The outline after the edit; None where there is none. Raises InvalidInputError."""
    if edit.reset is not None:
        return contour_from_json(_earlier_shape(session, row, edit.reset))
    contour = contour_from_json(row.contour)
    if edit.move is not None:
        return moved(contour, *edit.move, sample.width, sample.height)
    if edit.resize is not None:
        return resized(contour, edit.resize, sample.width, sample.height)
    if edit.vertices:
        return with_edited_vertices(contour, edit.vertices, sample.width, sample.height)
    return None


def _earlier_shape(session: Session, row: Row, reset: str) -> dict[str, Any]:
    if reset == "before_edit":
        shape = annotations.shape_before(session, row)
        if shape is None:
            raise InvalidInputError.at(
                "/reset", "nothing_to_reset", "The outline was never changed; there is no earlier one."
            )
        return shape
    if row.contour_id is None:
        raise InvalidInputError.at(
            "/reset", "nothing_to_reset", "The object was drawn by hand; there is no inferred outline."
        )
    return annotations.get_contour(session, row.sample_id, row.contour_id).contour
