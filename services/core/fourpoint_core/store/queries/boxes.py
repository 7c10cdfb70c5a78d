"""Boxes without outlines that files have brought: kept beside an image, as prompts for inference."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from fourpoint_core.errors import NotFoundError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import SYNC_DATASET
from fourpoint_core.store.models import Annotation, ImportedBox, Job, Label


class Leaving(Enum):
    """Which boxes of an image go where a file does not name them."""

    NONE = "none"
    OF_SYNCS = "of syncs"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a file. prompt: as the API takes it."""

    label_id: UUID
    prompt: dict[str, Any]
    traits: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Brought:
    """How many boxes an image got, lost, and had already."""

    added: int = 0
    removed: int = 0
    unchanged: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


def bring(
    session: Session,
    sample_id: UUID,
    boxes: Sequence[Box],
    leaving: Leaving,
    job_id: UUID,
    *,
    dry: bool = False,
) -> Brought:
    """Keep the boxes of a file beside an image, which is locked by the caller, unless `dry`.

    A box that is kept already is left alone, and one from which an object was drawn and confirmed is not
    kept again.
    """
    left: dict[bytes, list[ImportedBox]] = {}
    for row in session.scalars(select(ImportedBox).where(ImportedBox.sample_id == sample_id)):
        left.setdefault(_said(Box(row.label_id, row.prompt, row.traits)), []).append(row)
    drawn = _drawn_from(session, sample_id) if boxes else Counter()
    fresh: list[Box] = []
    for box in boxes:
        place = _place(box.prompt)
        if same := left.get(_said(box)):
            same.pop()
        elif drawn[place]:
            drawn[place] -= 1
        else:
            fresh.append(box)
    gone = _leaving(session, [row for rows in left.values() for row in rows], leaving)
    if not dry:
        session.execute(delete(ImportedBox).where(ImportedBox.id.in_([row.id for row in gone])))
        session.add_all(
            ImportedBox(
                id=new_id(),
                sample_id=sample_id,
                label_id=box.label_id,
                job_id=job_id,
                prompt=box.prompt,
                traits=box.traits,
            )
            for box in fresh
        )
        session.flush()
    return Brought(len(fresh), len(gone), len(boxes) - len(fresh))


def _said(box: Box) -> bytes:
    """What makes a box the same as another."""
    return orjson.dumps([box.label_id, _place(box.prompt), box.traits], option=orjson.OPT_SORT_KEYS)


def _place(prompt: dict[str, Any]) -> tuple[float, ...]:
    return tuple(map(float, prompt["box"]))


def _drawn_from(session: Session, sample_id: UUID) -> Counter[tuple[float, ...]]:
    """How many confirmed objects of an image were drawn from which boxes."""
    where = (Annotation.sample_id == sample_id, Annotation.valid_to.is_(None), ~Annotation.unconfirmed)
    prompts = session.scalars(select(Annotation.prompt).where(*where, Annotation.prompt.is_not(None)))
    return Counter(_place(prompt) for prompt in prompts if prompt and "box" in prompt)


def _leaving(session: Session, rows: Sequence[ImportedBox], leaving: Leaving) -> Sequence[ImportedBox]:
    if leaving is Leaving.NONE or not rows:
        return []
    if leaving is Leaving.ALL:
        return rows
    # What somebody has imported is no matter of a file beside the image.
    asked = select(Job.id).where(Job.id.in_({row.job_id for row in rows}), Job.kind == SYNC_DATASET.name)
    syncs = set(session.scalars(asked))
    return [row for row in rows if row.job_id in syncs]


def boxes_of(session: Session, sample_id: UUID) -> Sequence[tuple[ImportedBox, Label]]:
    """The boxes kept for a sample, oldest first, with their labels."""
    rows = session.execute(
        select(ImportedBox, Label)
        .join(Label, Label.id == ImportedBox.label_id)
        .where(ImportedBox.sample_id == sample_id, Label.deleted_at.is_(None))
        .order_by(ImportedBox.created_at, ImportedBox.id)
    )
    return [(box, label) for box, label in rows]


def forget_box(session: Session, sample_id: UUID, box_id: UUID) -> None:
    """Remove a box. Raises NotFoundError."""
    where = (ImportedBox.id == box_id, ImportedBox.sample_id == sample_id)
    if session.scalar(delete(ImportedBox).where(*where).returning(ImportedBox.id)) is None:
        raise NotFoundError(f"The sample has no box {box_id}.")
