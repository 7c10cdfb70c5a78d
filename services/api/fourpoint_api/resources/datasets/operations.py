"""What can be done with datasets; no HTTP."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fourpoint_api.resources.datasets.paths import check_apart, clean_path
from fourpoint_api.resources.jobs.operations import queue
from fourpoint_api.resources.labels.operations import LabelRequest
from fourpoint_core.domain.access import Caller
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.jobs.contracts import PURGE_DATASET, PurgeDataset
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.payloads.syncs import Cause
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.models import Dataset, Job
from fourpoint_core.store.queries import dashboards, datasets, jobs, labels, syncs
from fourpoint_core.store.queries.dashboards import Dashboard
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Sessions, reading, unit_of_work


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """A dataset that somebody wants. Paths are prefixes or addresses in the service's bucket."""

    name: str
    description: str = ""
    input_path: str | None = None
    output_path: str | None = None
    import_annotations: bool = True
    auto_sync_minutes: int | None = None
    labels: Sequence[LabelRequest] = ()


def clean_name(name: str) -> str:
    """The name as it is stored: Unicode NFC, without spaces around it."""
    return unicodedata.normalize("NFC", name).strip()


def _check_distinct(names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidInputError.at(
                f"/labels/{index}/name",
                "label_repeated",
                f"Name {name!r} once; one entry may say all of it.",
            )


def create(
    sessions: Sessions,
    store: ObjectStore,
    dispatcher: Dispatcher,
    wanted: DatasetRequest,
    author: UUID,
    request_id: str | None,
) -> tuple[Dataset, UUID | None]:
    """Make a dataset with its labels; where it has a path of its own, its first synchronisation begins.

    Returns it and the job of that. Raises NameTakenError, ShortcutTakenError or InvalidInputError.
    """
    prefix = (
        clean_path(wanted.input_path, "/input_path", store.bucket) if wanted.input_path is not None else None
    )
    output = clean_path(wanted.output_path, "/output_path", store.bucket) if wanted.output_path else None
    cleaned = [label.cleaned(f"/labels/{index}") for index, label in enumerate(wanted.labels)]
    _check_distinct([label.name for label in cleaned])
    message = None
    with unit_of_work(sessions) as session:
        dataset = datasets.add_dataset(session, clean_name(wanted.name), wanted.description, prefix, author)
        check_apart(dataset.input_path, output)
        for label in cleaned:
            labels.label_named(session, dataset.id, label.name, label.colour, label.shortcut)
        dataset = datasets.change_dataset(
            session,
            dataset,
            output_path=output,
            import_annotations=wanted.import_annotations,
            auto_sync_minutes=wanted.auto_sync_minutes,
            is_new=True,
        )
        if prefix is not None:
            message = syncs.start(session, dataset.id, Cause.CREATION, author=author, request_id=request_id)
    if message is None:
        return dataset, None
    dispatcher.dispatch([message])
    return dataset, message.job_id


def read(sessions: Sessions, dataset_id: UUID) -> Dashboard:
    """A dataset, its counts, and where it stands among its versions. Raises NotFoundError."""
    with reading(sessions) as session:
        return dashboards.read(session, dataset_id)


def listing(
    sessions: Sessions,
    caller: Caller,
    name_contains: str | None,
    after: Keyset | None,
    limit: int,
    *,
    count: bool,
) -> tuple[Page[Dataset], int | None]:
    """A page of the datasets that the caller may see, and how many there are if asked."""
    with reading(sessions) as session:
        page = datasets.list_datasets(session, caller, name_contains, after, limit)
        return page, datasets.count_datasets(session, caller, name_contains) if count else None


def change(
    sessions: Sessions,
    store: ObjectStore,
    dataset_id: UUID,
    check: Callable[[Dataset], None],
    changes: dict[str, Any],
) -> Dataset:
    """Change what is named in `changes`. check: the caller's precondition, called with the row locked.

    Raises NotFoundError, NameTakenError, InvalidInputError, or what `check` raises.
    """
    wanted = dict(changes)
    if "name" in wanted:
        wanted["name"] = clean_name(wanted["name"])
    if wanted.get("output_path") is not None:
        wanted["output_path"] = clean_path(wanted["output_path"], "/output_path", store.bucket)
    with unit_of_work(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id, lock=True)
        check(dataset)
        check_apart(dataset.input_path, wanted.get("output_path"))
        return datasets.change_dataset(session, dataset, **wanted)


def delete(
    sessions: Sessions,
    dispatcher: Dispatcher,
    dataset_id: UUID,
    *,
    delete_objects: bool,
    author: UUID,
    request_id: str | None,
) -> Job:
    """Hide the dataset now and queue the removal of its rows. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        datasets.mark_deleted(session, datasets.get_dataset(session, dataset_id, lock=True))
        payload = PurgeDataset(dataset_id, delete_objects)
        job = queue(
            session, PURGE_DATASET, payload, author=author, request_id=request_id, dataset_id=dataset_id
        )
    dispatcher.dispatch([jobs.Message.about(job)])
    return job
