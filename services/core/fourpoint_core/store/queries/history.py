"""Revisions: what was saved, by whom and when, and what has happened since."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from fourpoint_core.domain.history import Action, State
from fourpoint_core.errors import NotFoundError
from fourpoint_core.store.models import Annotation, Revision, Sample

MAX_REVISIONS_TOLD = 20


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a document since a revision; revisions: the latest, newest first."""

    since: int
    current: int
    revisions: Sequence[Revision]
    added: Sequence[UUID]
    changed: Sequence[UUID]
    removed: Sequence[UUID]


def get_revision(session: Session, sample_id: UUID, number: int) -> Revision:
    """Read one revision. Raises NotFoundError."""
    revision = session.get(Revision, (sample_id, number))
    if revision is None:
        raise NotFoundError(f"The sample has no revision {number}.")
    return revision


def list_revisions(session: Session, sample_id: UUID, before: int | None, limit: int) -> Sequence[Revision]:
    """Revisions of a sample, newest first. before: only those with a smaller number."""
    statement = select(Revision).where(Revision.sample_id == sample_id)
    if before is not None:
        statement = statement.where(Revision.number < before)
    return session.scalars(statement.order_by(Revision.number.desc()).limit(limit)).all()


def state_of(session: Session, sample_id: UUID, number: int) -> State:
    """A revision as undo and redo see it. Raises NotFoundError."""
    if number == 0:
        return State(0)
    row = get_revision(session, sample_id, number)
    return State(number, Action(row.action), row.undo_to, row.redo_to)


def changes_since(session: Session, sample: Sample, since: int) -> Changes:
    """What is different now from how a revision was, and the saves in between."""
    rows = session.execute(
        select(Annotation.annotation_id, Annotation.valid_from, Annotation.valid_to)
        .where(
            Annotation.sample_id == sample.id,
            or_(Annotation.valid_to.is_(None), Annotation.valid_to > since),
        )
        .order_by(Annotation.valid_from, Annotation.annotation_id)
    ).all()
    before = {row.annotation_id: row.valid_from for row in rows if row.valid_from <= since}
    after = {row.annotation_id: row.valid_from for row in rows if row.valid_to is None}
    latest = list_revisions(session, sample.id, None, MAX_REVISIONS_TOLD)
    return Changes(
        since=since,
        current=sample.revision,
        revisions=[revision for revision in latest if revision.number > since],
        added=[key for key in after if key not in before],
        changed=[key for key in after if key in before and after[key] != before[key]],
        removed=[key for key in before if key not in after],
    )
