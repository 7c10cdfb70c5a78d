"""Drafts: what one person has drawn on one image and not yet saved."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from fourpoint_core.store.models import Draft, Sample


def get_draft(session: Session, sample_id: UUID, user_id: UUID) -> Draft | None:
    """What this person has not saved yet."""
    return session.get(Draft, (sample_id, user_id), populate_existing=True)


def put_draft(
    session: Session,
    sample: Sample,
    user_id: UUID,
    annotations: list[dict[str, Any]],
    base_revision: int | None,
) -> Draft:
    """Keep a draft in place of the one before.

    base_revision: what the person began with; None keeps that of the last draft, or takes the current.
    """
    values = {"annotations": annotations, "updated_at": func.clock_timestamp()}
    begun = {} if base_revision is None else {"base_revision": base_revision}
    statement = (
        insert(Draft)
        .values(
            sample_id=sample.id,
            user_id=user_id,
            **{"base_revision": sample.revision, **begun},
            annotations=annotations,
        )
        .on_conflict_do_update(index_elements=[Draft.sample_id, Draft.user_id], set_={**values, **begun})
        .returning(Draft)
    )
    return session.scalars(statement, execution_options={"populate_existing": True}).one()


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
    others = [annotation for annotation in draft.annotations if annotation.get("id") != entry["id"]]
    draft.annotations = [*others, entry]
    draft.updated_at = func.clock_timestamp()
    session.flush()


def take_from_draft(session: Session, sample_id: UUID, user_id: UUID, annotation_id: UUID) -> None:
    """Take one object out of a person's draft, because it is saved; a draft without objects is none."""
    held = select(Draft).where(
        Draft.sample_id == sample_id,
        Draft.user_id == user_id,
        Draft.annotations.contains([{"id": str(annotation_id)}]),
    )
    draft = session.scalar(held.with_for_update())
    if draft is None:
        return
    left = [item for item in draft.annotations if item.get("id") != str(annotation_id)]
    if not left:
        session.delete(draft)
    else:
        draft.annotations = left
        draft.updated_at = func.clock_timestamp()
    session.flush()


def discard_draft(session: Session, sample_id: UUID, user_id: UUID) -> None:
    """Throw a person's draft away; nothing happens when there is none."""
    session.execute(delete(Draft).where(Draft.sample_id == sample_id, Draft.user_id == user_id))
