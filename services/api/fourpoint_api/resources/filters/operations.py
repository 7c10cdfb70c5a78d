"""Saved filters and search conditions; no HTTP."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fourpoint_core.errors import InvalidInputError
from fourpoint_core.store.models import SavedFilter
from fourpoint_core.store.queries import datasets, sample_paths, saved_filters, tallies, versions
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Sessions, reading, unit_of_work

# A form offers no more; who has more directories beside one another types.
MAX_DIRECTORIES = 200


@dataclass(frozen=True, slots=True)
class Conditions:
    """What there is to filter by."""

    labels: Sequence[tallies.LabelCount]
    labelers: Sequence[tallies.LabelerCount]
    path_prefixes: Sequence[str]


def conditions(sessions: Sessions, dataset_id: UUID, directory: str | None, version: UUID | None) -> Conditions:
    """What a filter form can offer. directory: None = the dataset's own. version: None = the working state.

    Raises NotFoundError or InvalidInputError.
    """
    with reading(sessions) as session:
        dataset = datasets.get_dataset(session, dataset_id)
        versions.require_readable(session, dataset_id, version)
        prefix = _directory(dataset.input_path if directory is None else directory)
        return Conditions(
            tallies.by_label(session, dataset_id, version),
            tallies.by_labeler(session, dataset_id, version),
            sample_paths.child_directories(session, dataset_id, prefix, MAX_DIRECTORIES, version),
        )


def create(
    sessions: Sessions, dataset_id: UUID, name: str, wanted: dict[str, Any], sort: str, author: UUID
) -> SavedFilter:
    """Keep a filter by name. Raises NotFoundError, NameTakenError or InvalidInputError."""
    cleaned = _clean_name(name)
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return saved_filters.add_filter(session, dataset_id, cleaned, wanted, sort, author)


def listing(sessions: Sessions, dataset_id: UUID, after: Keyset | None, limit: int) -> Page[SavedFilter]:
    """A page of a dataset's filters. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return saved_filters.list_filters(session, dataset_id, after, limit)


def read(sessions: Sessions, dataset_id: UUID, filter_id: UUID) -> SavedFilter:
    """One filter. Raises NotFoundError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return saved_filters.get_filter(session, dataset_id, filter_id)


def change(
    sessions: Sessions,
    dataset_id: UUID,
    filter_id: UUID,
    changes: dict[str, Any],
    check: Callable[[SavedFilter], None],
) -> SavedFilter:
    """Change name, filter or sort. check: the caller's precondition, called with the row locked.

    Raises NotFoundError, NameTakenError, InvalidInputError, or what `check` raises.
    """
    if "name" in changes:
        changes = {**changes, "name": _clean_name(changes["name"])}
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        saved = saved_filters.get_filter(session, dataset_id, filter_id, lock=True)
        check(saved)
        return saved_filters.change_filter(session, saved, changes)


def remove(sessions: Sessions, dataset_id: UUID, filter_id: UUID, check: Callable[[SavedFilter], None]) -> None:
    """Forget a filter. check: as for `change`. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        saved = saved_filters.get_filter(session, dataset_id, filter_id, lock=True)
        check(saved)
        saved_filters.remove_filter(session, saved)


def _directory(prefix: str) -> str:
    return prefix.rstrip("/") + "/" if prefix else ""


def _clean_name(name: str) -> str:
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise InvalidInputError.at("/name", "length", "Give the filter a name with a visible character.")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in cleaned):
        raise InvalidInputError.at(
            "/name", "control_character", "Remove control characters from the filter's name."
        )
    return cleaned
