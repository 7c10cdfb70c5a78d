"""What can be done with the revisions of a document; no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fourpoint_api.resources.annotations.operations import Document, document_of
from fourpoint_api.resources.annotations.preconditions import Precondition
from fourpoint_core.domain.history import Action, compare, fields_of, redo_target, undo_target
from fourpoint_core.errors import HistoryEndError
from fourpoint_core.store.models import Revision, Sample
from fourpoint_core.store.queries import annotations, history, samples
from fourpoint_core.store.queries.annotations import LabeledAnnotation
from fourpoint_core.store.session import Session, Sessions, note_result, reading, unit_of_work


@dataclass(frozen=True, slots=True)
class Difference:
    """What makes one revision of another; changed: before, after, and the fields that differ."""

    added: Sequence[LabeledAnnotation]
    removed: Sequence[LabeledAnnotation]
    changed: Sequence[tuple[LabeledAnnotation, LabeledAnnotation, list[str]]]


def listing(
    sessions: Sessions, sample_id: UUID, before: int | None, limit: int
) -> tuple[Sequence[Revision], bool]:
    """Revisions, newest first, and whether there are more. Raises NotFoundError."""
    with reading(sessions) as session:
        samples.get_sample(session, sample_id)
        # One row more than asked tells whether there is a next page, without counting.
        rows = history.list_revisions(session, sample_id, before, limit + 1)
        return rows[:limit], len(rows) > limit


def read(sessions: Sessions, sample_id: UUID, number: int) -> tuple[Revision, Sequence[LabeledAnnotation]]:
    """A revision and its objects. Raises NotFoundError."""
    with reading(sessions) as session:
        samples.get_sample(session, sample_id)
        revision = history.get_revision(session, sample_id, number)
        return revision, annotations.annotations_at(session, sample_id, number)


def difference(sessions: Sessions, sample_id: UUID, number: int, since: int) -> Difference:
    """Compare two revisions, 0 being the empty document. Raises NotFoundError."""
    with reading(sessions) as session:
        samples.get_sample(session, sample_id)
        before = _objects_at(session, sample_id, since)
        after = _objects_at(session, sample_id, number)
    found = compare(
        {key: item.row for key, item in before.items()}, {key: item.row for key, item in after.items()}
    )
    return Difference(
        added=[after[key] for key in found.added],
        removed=[before[key] for key in found.removed],
        changed=[(before[key], after[key], fields_of(columns)) for key, columns in found.changed.items()],
    )


def undo(sessions: Sessions, sample_id: UUID, expected: Precondition, author: UUID) -> Document:
    """Bring back the state before the last save that still stands, as a new revision.

    Raises NotFoundError, StaleDocumentError, HistoryEndError, FrameChangedError or LabelDeletedError.
    """
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id, lock=True)
        expected.require(session, sample)
        target = undo_target(history.state_of(session, sample.id, sample.revision))
        if target is None:
            raise HistoryEndError("There is nothing left to undo.")
        earlier = history.state_of(session, sample.id, target)
        annotations.show_revision(
            session,
            sample,
            target,
            Action.UNDO,
            author,
            undo_to=undo_target(earlier),
            redo_to=sample.revision,
        )
        return _saved(session, sample)


def redo(sessions: Sessions, sample_id: UUID, expected: Precondition, author: UUID) -> Document:
    """Take the last undo back, as a new revision. Raises as `undo`."""
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id, lock=True)
        expected.require(session, sample)
        target = redo_target(history.state_of(session, sample.id, sample.revision))
        if target is None:
            raise HistoryEndError("There is nothing to redo; a save after an undo begins a line of its own.")
        undone = history.state_of(session, sample.id, target)
        annotations.show_revision(
            session,
            sample,
            target,
            Action.REDO,
            author,
            undo_to=undo_target(undone),
            redo_to=redo_target(undone),
        )
        return _saved(session, sample)


def restore(sessions: Sessions, sample_id: UUID, number: int, expected: Precondition, author: UUID) -> Document:
    """Bring back the contents of any revision as a save of its own, which can be undone.

    Raises NotFoundError, StaleDocumentError, FrameChangedError or LabelDeletedError.
    """
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id, lock=True)
        expected.require(session, sample)
        if number != 0:
            history.get_revision(session, sample.id, number)
        annotations.show_revision(session, sample, number, Action.RESTORE, author, restored_from=number)
        return _saved(session, sample)


def _saved(session: Session, sample: Sample) -> Document:
    note_result(session, {"revision": sample.revision})
    return document_of(session, sample)


def _objects_at(session: Session, sample_id: UUID, number: int) -> dict[UUID, LabeledAnnotation]:
    if number == 0:
        return {}
    history.get_revision(session, sample_id, number)
    found = annotations.annotations_at(session, sample_id, number)
    return {item.row.annotation_id: item for item in found}
