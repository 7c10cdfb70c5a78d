"""What can be done with annotations; no HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fourpoint_core.domain.annotations import NewAnnotation, Provenance
from fourpoint_core.domain.geometry import Contour, contour_from_json, validate_contour
from fourpoint_core.domain.labels import clean_label_name
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import Draft, InferredContour, Label, Sample
from fourpoint_core.store.queries import annotations, datasets, samples
from fourpoint_core.store.queries.annotations import LabeledAnnotation
from fourpoint_core.store.session import Session, Sessions, unit_of_work

Check = Callable[[Sample], None]


@dataclass(frozen=True, slots=True)
class AnnotationRequest:
    """An object to be added: exactly one of contour and contour_id, and one of label_id and label_name."""

    id: UUID | None
    contour: dict[str, Any] | None
    contour_id: UUID | None
    label_id: UUID | None
    label_name: str | None


def read_document(sessions: Sessions, sample_id: UUID) -> tuple[Sample, Sequence[LabeledAnnotation]]:
    """A sample and its current annotations, of one moment. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        # Shared lock: no save comes between the revision's number and its rows.
        sample = samples.get_sample(session, sample_id, share=True)
        return sample, annotations.current_annotations(session, sample_id)


def add(
    sessions: Sessions, sample_id: UUID, wanted: AnnotationRequest, check: Check, author: UUID
) -> tuple[Sample, LabeledAnnotation, bool]:
    """Add an object; returns the sample, the object, and whether anything changed.

    check: the caller's precondition, called with the sample locked.
    """
    name = None if wanted.label_name is None else clean_label_name(wanted.label_name)
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id, lock=True)
        contour, provenance = _geometry(session, sample, wanted)
        if name is None:
            assert wanted.label_id is not None  # noqa: S101 - the schema asks for one of the two
            label = _existing_label(session, sample, wanted.label_id)
        else:
            label, _ = datasets.label_named(session, sample.dataset_id, name)
        new = NewAnnotation(wanted.id or new_id(), label.id, contour, provenance)
        # Who repeats a request whose answer was lost gets the answer, though the state has moved on since.
        if not annotations.is_there(session, sample, new):
            check(sample)
        changed = annotations.add_annotation(session, sample, new, author)
        return sample, annotations.current_annotation(session, sample.id, new.id), changed


def remove(sessions: Sessions, sample_id: UUID, annotation_id: UUID, check: Check, author: UUID) -> Sample:
    """Take an object out of the document. check: as for `add`. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id, lock=True)
        check(sample)
        annotations.remove_annotation(session, sample, annotation_id, author)
        return sample


def read_draft(sessions: Sessions, sample_id: UUID, user_id: UUID) -> Draft:
    """A person's draft. Raises NotFoundError when there is none."""
    with unit_of_work(sessions) as session:
        samples.get_sample(session, sample_id)
        draft = annotations.get_draft(session, sample_id, user_id)
    if draft is None:
        raise NotFoundError("You have no draft on this sample.")
    return draft


def discard_draft(sessions: Sessions, sample_id: UUID, user_id: UUID) -> None:
    """Throw a person's draft away. Raises NotFoundError when there is no such sample."""
    with unit_of_work(sessions) as session:
        samples.get_sample(session, sample_id)
        annotations.discard_draft(session, sample_id, user_id)


def _geometry(session: Session, sample: Sample, wanted: AnnotationRequest) -> tuple[Contour, Provenance | None]:
    if wanted.contour_id is not None:
        recorded = _recorded_contour(session, sample, wanted.contour_id)
        return contour_from_json(recorded.contour), annotations.provenance_of(recorded)
    contour = contour_from_json(wanted.contour or {"parts": []})
    try:
        validate_contour(contour, sample.width, sample.height)
    except InvalidInputError as error:
        raise InvalidInputError(error.detail, [item.below("/contour") for item in error.errors]) from error
    return contour, None


def _recorded_contour(session: Session, sample: Sample, contour_id: UUID) -> InferredContour:
    try:
        return annotations.get_contour(session, sample.id, contour_id)
    except NotFoundError as error:
        raise InvalidInputError.at("/contour_id", "contour_unknown", error.detail) from error


def _existing_label(session: Session, sample: Sample, label_id: UUID) -> Label:
    try:
        return datasets.get_label(session, sample.dataset_id, label_id)
    except NotFoundError as error:
        raise InvalidInputError.at("/label_id", "label_unknown", error.detail) from error
