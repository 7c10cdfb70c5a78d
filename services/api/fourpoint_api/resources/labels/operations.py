"""What can be done with labels; no HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fourpoint_api.resources.jobs.operations import queue
from fourpoint_core.domain.labels import DeletionPolicy, clean_label_name, clean_shortcut
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.jobs.contracts import DELETE_LABEL, MERGE_LABEL, DeleteLabel, MergeLabel
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.store.models import Job, Label
from fourpoint_core.store.queries import datasets, jobs, labels
from fourpoint_core.store.queries.labels import Uses
from fourpoint_core.store.session import Session, Sessions, reading, unit_of_work

Check = Callable[[Label], None]


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A label somebody asked for; colour None lets the palette choose."""

    name: str
    colour: str | None
    shortcut: str | None = None

    def cleaned(self, pointer: str = "") -> "LabelRequest":
        """As it is stored. pointer: where the label stands in the request. Raises InvalidInputError."""
        shortcut = None if self.shortcut is None else clean_shortcut(self.shortcut, f"{pointer}/shortcut")
        return LabelRequest(clean_label_name(self.name, f"{pointer}/name"), self.colour, shortcut)


@dataclass(frozen=True, slots=True)
class Order:
    """Who asks for a job, and in which request."""

    author: UUID
    request_id: str | None


def listing(sessions: Sessions, dataset_id: UUID) -> list[Label]:
    """The labels of a dataset. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return labels.list_labels(session, dataset_id)


def add(sessions: Sessions, dataset_id: UUID, wanted: LabelRequest) -> tuple[Label, bool]:
    """The label of that name and whether it is new.

    Raises NotFoundError, ShortcutTakenError or InvalidInputError.
    """
    label = wanted.cleaned()
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return labels.label_named(session, dataset_id, label.name, label.colour, label.shortcut)


def read(sessions: Sessions, dataset_id: UUID, label_id: UUID) -> Label:
    """A label. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return labels.get_label(session, dataset_id, label_id)


def change(sessions: Sessions, dataset_id: UUID, label_id: UUID, wanted: dict[str, Any], check: Check) -> Label:
    """Rename, recolour, or give another shortcut. wanted: the fields to change.

    check: the caller's precondition, called with the row locked.
    Raises NotFoundError, NameTakenError, ShortcutTakenError, InvalidInputError, or what `check` raises.
    """
    name = clean_label_name(wanted["name"], "/name") if "name" in wanted else None
    shortcut = wanted.get("shortcut")
    cleaned = None if shortcut is None else clean_shortcut(shortcut)
    with unit_of_work(sessions) as session:
        label = _locked(session, dataset_id, label_id)
        check(label)
        return labels.change_label(
            session,
            label,
            name=label.name if name is None else name,
            colour=wanted.get("colour", label.colour),
            shortcut=cleaned if "shortcut" in wanted else label.shortcut,
        )


def restore(sessions: Sessions, dataset_id: UUID, label_id: UUID) -> Label:
    """Bring a deleted label back; one that was not deleted stays as it is.

    Its shortcut is dropped where another label has it by now. Raises NotFoundError or NameTakenError.
    """
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id, lock=True)
        label = labels.get_label(session, dataset_id, label_id, lock=True, deleted=True)
        if label.deleted_at is None:
            return label
        return labels.bring_back(session, label)


def uses(sessions: Sessions, dataset_id: UUID, label_id: UUID, into: UUID | None = None) -> Uses:
    """What merging or deleting the label would change. Raises NotFoundError or InvalidInputError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        labels.get_label(session, dataset_id, label_id)
        if into is not None:
            _merge_target(session, dataset_id, label_id, into)
        return labels.uses_of(session, label_id)


def merge(
    sessions: Sessions, dispatcher: Dispatcher, dataset_id: UUID, label_id: UUID, into: UUID, order: Order
) -> Job:
    """Take a label out of use and queue the job that gives its objects to another one.

    Raises NotFoundError or InvalidInputError.
    """
    with unit_of_work(sessions) as session:
        label = _locked(session, dataset_id, label_id)
        target = _merge_target(session, dataset_id, label_id, into)
        labels.mark_deleted(session, label, merged_into=target.id)
        payload = MergeLabel(dataset_id, label_id, target.id)
        job = queue(
            session,
            MERGE_LABEL,
            payload,
            author=order.author,
            request_id=order.request_id,
            dataset_id=dataset_id,
        )
    dispatcher.dispatch([jobs.Message.about(job)])
    return job


def delete(
    sessions: Sessions,
    dispatcher: Dispatcher,
    dataset_id: UUID,
    label_id: UUID,
    policy: DeletionPolicy,
    check: Check,
    order: Order,
) -> Job:
    """Take a label out of use and queue the removal of what it named. check: as for `change`.

    Raises NotFoundError, or what `check` raises.
    """
    with unit_of_work(sessions) as session:
        label = _locked(session, dataset_id, label_id)
        check(label)
        labels.mark_deleted(session, label)
        payload = DeleteLabel(dataset_id, label_id, policy)
        job = queue(
            session,
            DELETE_LABEL,
            payload,
            author=order.author,
            request_id=order.request_id,
            dataset_id=dataset_id,
        )
    dispatcher.dispatch([jobs.Message.about(job)])
    return job


def _locked(session: Session, dataset_id: UUID, label_id: UUID) -> Label:
    # The dataset first: names and shortcuts are unique within it, so whoever changes one takes turns.
    datasets.get_dataset(session, dataset_id, lock=True)
    return labels.get_label(session, dataset_id, label_id, lock=True)


def _merge_target(session: Session, dataset_id: UUID, label_id: UUID, into: UUID) -> Label:
    if into == label_id:
        raise InvalidInputError.at("/into", "label_unknown", "Choose another label to merge this one into.")
    try:
        return labels.get_label(session, dataset_id, into)
    except NotFoundError as error:
        raise InvalidInputError.at("/into", "label_unknown", error.detail) from error
