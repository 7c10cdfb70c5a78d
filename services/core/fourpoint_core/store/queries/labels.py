"""Labels: named once, referred to by id, deleted softly.

Order of locks, for all who take several: samples, then the dataset, then labels.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from fourpoint_core.domain.labels import colour_for
from fourpoint_core.errors import NameTakenError, NotFoundError, ShortcutTakenError
from fourpoint_core.ids import new_id
from fourpoint_core.store.models import Annotation, Label
from fourpoint_core.store.queries.datasets import get_dataset


@dataclass(frozen=True, slots=True)
class Uses:
    """How far a label has spread: objects of the current documents, and images that show at least one."""

    annotations: int
    samples: int


def list_labels(session: Session, dataset_id: UUID) -> list[Label]:
    """All labels of a dataset, in the order they were made."""
    statement = select(Label).where(Label.dataset_id == dataset_id, Label.deleted_at.is_(None))
    return list(session.scalars(statement.order_by(Label.mask_index)))


def get_label(
    session: Session, dataset_id: UUID, label_id: UUID, *, lock: bool = False, deleted: bool = False
) -> Label:
    """Read a label. Raises NotFoundError.

    lock: hold it against other changes, and against saves that use it. deleted: it may be one of those.
    """
    statement = select(Label).where(Label.id == label_id, Label.dataset_id == dataset_id)
    if not deleted:
        statement = statement.where(Label.deleted_at.is_(None))
    if lock:
        statement = statement.with_for_update(key_share=True)
    label = session.scalar(statement, execution_options={"populate_existing": True})
    if label is None:
        raise NotFoundError(f"The dataset has no label {label_id}.")
    return label


def find_label(session: Session, dataset_id: UUID, name: str) -> Label | None:
    """The label of that name, if there is one."""
    return session.scalar(
        select(Label).where(Label.dataset_id == dataset_id, Label.name == name, Label.deleted_at.is_(None))
    )


def label_named(
    session: Session, dataset_id: UUID, name: str, colour: str | None = None, shortcut: str | None = None
) -> tuple[Label, bool]:
    """The label of that name, made if need be. Returns it and whether it is new. Raises ShortcutTakenError."""
    found = find_label(session, dataset_id, name)
    if found is not None:
        return found, False
    # Mask indexes are counted up, so makers of labels take turns, on the dataset's row.
    get_dataset(session, dataset_id, lock=True)
    found = find_label(session, dataset_id, name)
    if found is not None:
        return found, False
    _require_free_shortcut(session, dataset_id, shortcut)
    highest = session.scalar(select(func.max(Label.mask_index)).where(Label.dataset_id == dataset_id)) or 0
    label = Label(
        id=new_id(),
        dataset_id=dataset_id,
        name=name,
        colour=colour or colour_for(highest + 1),
        shortcut=shortcut,
        mask_index=highest + 1,
    )
    session.add(label)
    session.flush()
    session.refresh(label)
    return label, True


def labels_named(session: Session, dataset_id: UUID, names: Iterable[str]) -> dict[str, UUID]:
    """The ids of labels by name, those that are new made in the order of `names`."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return {}
    statement = select(Label.name, Label.id).where(
        Label.dataset_id == dataset_id, Label.name.in_(wanted), Label.deleted_at.is_(None)
    )
    found = {row.name: row.id for row in session.execute(statement)}
    made = {name: label_named(session, dataset_id, name)[0].id for name in wanted if name not in found}
    return found | made


def hold_labels(session: Session, dataset_id: UUID, label_ids: Collection[UUID]) -> dict[UUID, Label]:
    """Those of the labels that exist, kept from being deleted or changed until the transaction ends."""
    if not label_ids:
        return {}
    rows = session.scalars(_HOLD, {"ids": list(label_ids), "dataset_id": dataset_id})
    return {label.id: label for label in rows}


def change_label(
    session: Session, label: Label, *, name: str, colour: str, shortcut: str | None, bring_back: bool = False
) -> Label:
    """Rename, recolour, give another shortcut, or bring back one that was deleted; the dataset is locked.

    Raises NameTakenError or ShortcutTakenError.
    """
    other = find_label(session, label.dataset_id, name)
    if other is not None and other.id != label.id:
        raise NameTakenError(f"There is already a label named {name!r}; choose another name, or merge the two.")
    _require_free_shortcut(session, label.dataset_id, shortcut, but_for=label.id)
    statement = (
        update(Label)
        .where(Label.id == label.id)
        .values(name=name, colour=colour, shortcut=shortcut, row_version=Label.row_version + 1)
        .returning(Label)
    )
    if bring_back:
        statement = statement.values(deleted_at=None, merged_into=None)
    return session.scalars(statement, execution_options={"populate_existing": True}).one()


def bring_back(session: Session, label: Label) -> Label:
    """Put a deleted label in use again; the dataset is locked. Its shortcut goes where another label has it.

    Raises NameTakenError.
    """
    is_free = label.shortcut is None or _with_shortcut(session, label.dataset_id, label.shortcut) is None
    return change_label(
        session,
        label,
        name=label.name,
        colour=label.colour,
        shortcut=label.shortcut if is_free else None,
        bring_back=True,
    )


def mark_deleted(session: Session, label: Label, *, merged_into: UUID | None = None) -> None:
    """Take a label out of use at once; a job then changes the annotations that refer to it.

    Waits for the saves that use it at this moment, so the job sees them all.
    """
    session.execute(
        update(Label)
        .where(Label.id == label.id)
        .values(deleted_at=func.clock_timestamp(), merged_into=merged_into, row_version=Label.row_version + 1)
    )
    if merged_into is not None:
        # Whoever was merged into this one before is by now the target too: one step leads there.
        session.execute(update(Label).where(Label.merged_into == label.id).values(merged_into=merged_into))


def uses_of(session: Session, label_id: UUID) -> Uses:
    """Count what refers to a label now."""
    annotations, samples = session.execute(
        select(func.count(), func.count(Annotation.sample_id.distinct())).where(
            Annotation.label_id == label_id, Annotation.valid_to.is_(None)
        )
    ).one()
    return Uses(annotations, samples)


def _require_free_shortcut(
    session: Session, dataset_id: UUID, shortcut: str | None, but_for: UUID | None = None
) -> None:
    if shortcut is None:
        return
    taken_by = _with_shortcut(session, dataset_id, shortcut)
    if taken_by is not None and taken_by.id != but_for:
        raise ShortcutTakenError(
            f"The shortcut {shortcut!r} chooses the label {taken_by.name!r}; choose another one."
        )


def _with_shortcut(session: Session, dataset_id: UUID, shortcut: str) -> Label | None:
    return session.scalar(
        select(Label).where(
            Label.dataset_id == dataset_id, Label.shortcut == shortcut, Label.deleted_at.is_(None)
        )
    )


# Made once: it is part of most saves.
_HOLD = (
    select(Label)
    .where(
        Label.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        Label.dataset_id == bindparam("dataset_id"),
        Label.deleted_at.is_(None),
    )
    .order_by(Label.id)
    .with_for_update(read=True)
    .execution_options(populate_existing=True)
)
