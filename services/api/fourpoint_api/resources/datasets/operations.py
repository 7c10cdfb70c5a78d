"""What can be done with datasets; no HTTP."""

import unicodedata
from collections.abc import Callable, Sequence
from uuid import UUID

from fourpoint_api.resources.jobs.operations import queue
from fourpoint_api.resources.labels.operations import LabelRequest
from fourpoint_api.resources.samples.names import MAX_NAME_BYTES
from fourpoint_core.domain.access import Caller
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.jobs.contracts import PURGE_DATASET, PurgeDataset
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.storage import derived, staging
from fourpoint_core.storage.local_store import MAX_SEGMENT_BYTES, RESERVED
from fourpoint_core.storage.port import MAX_KEY_BYTES, validate_prefix
from fourpoint_core.store.models import Dataset, Job
from fourpoint_core.store.queries import datasets, jobs, labels, tallies
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Sessions, reading, unit_of_work

# Where the service keeps what is its own.
OWN_FOLDERS = {derived.FOLDER, staging.FOLDER, RESERVED}
MAX_PREFIX_BYTES = MAX_KEY_BYTES - MAX_NAME_BYTES


def clean_name(name: str) -> str:
    """The name as it is stored: Unicode NFC, without spaces around it."""
    return unicodedata.normalize("NFC", name).strip()


def create(
    sessions: Sessions,
    name: str,
    description: str,
    input_path: str | None,
    wanted: Sequence[LabelRequest],
    author: UUID,
) -> Dataset:
    """Make a dataset with its labels. Raises NameTakenError, ShortcutTakenError or InvalidInputError."""
    prefix = None if input_path is None else _clean_prefix(input_path)
    cleaned = [label.cleaned(f"/labels/{index}") for index, label in enumerate(wanted)]
    with unit_of_work(sessions) as session:
        dataset = datasets.add_dataset(session, clean_name(name), description, prefix, author)
        for label in cleaned:
            labels.label_named(session, dataset.id, label.name, label.colour, label.shortcut)
    return dataset


def read(sessions: Sessions, dataset_id: UUID) -> tuple[Dataset, tallies.SampleTotals]:
    """A dataset and its counts. Raises NotFoundError."""
    with reading(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id)
        return dataset, tallies.sample_totals(session, dataset_id)


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
    dataset_id: UUID,
    check: Callable[[Dataset], None],
    *,
    name: str | None,
    description: str | None,
) -> Dataset:
    """Rename or redescribe. check: the caller's precondition, called with the row locked.

    Raises NotFoundError, NameTakenError, or what `check` raises.
    """
    with unit_of_work(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id, lock=True)
        check(dataset)
        wanted = None if name is None else clean_name(name)
        return datasets.change_dataset(session, dataset, name=wanted, description=description)


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


def _clean_prefix(input_path: str) -> str:
    """The key prefix, if a sample of any name can be stored below it. Raises InvalidInputError."""
    prefix = input_path.rstrip("/") + "/"
    try:
        validate_prefix(prefix)
    except InvalidInputError as error:
        raise InvalidInputError.at("/input_path", "key_invalid", error.detail) from error
    folders = prefix.split("/")
    too_long = max(len(folder.encode()) for folder in folders) > MAX_SEGMENT_BYTES
    if too_long or len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise InvalidInputError.at(
            "/input_path",
            "key_invalid",
            f"Give a path of at most {MAX_PREFIX_BYTES} bytes, and {MAX_SEGMENT_BYTES} between two slashes.",
        )
    if folders[0] in OWN_FOLDERS:
        raise InvalidInputError.at("/input_path", "key_reserved", f"Keys below {folders[0]!r} are reserved.")
    return prefix
