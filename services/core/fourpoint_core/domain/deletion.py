"""Which samples somebody means to delete: never all of them by saying nothing."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from fourpoint_core.domain.filter_documents import filter_from_json, filter_to_json
from fourpoint_core.domain.filters import SampleFilter
from fourpoint_core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Selection:
    """Samples by id, or by a filter; exactly one of them.

    until: only samples that were there at that time.
    """

    ids: tuple[UUID, ...] = ()
    filter: SampleFilter | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, ids: list[UUID] | None, wanted: SampleFilter | None) -> "Selection":
        """What a request named. Raises InvalidInputError where it named nothing, or both."""
        if ids is not None and wanted is not None:
            raise InvalidInputError.at("/filter", "selection_ambiguous", "Give `ids` or `filter`, not both.")
        if wanted is not None:
            if replace(wanted, at=None, version=None) == SampleFilter():
                raise InvalidInputError.at(
                    "/filter", "selection_empty", "Say which samples: a filter without a condition names none."
                )
            return cls(filter=wanted)
        if not ids:
            raise InvalidInputError.at("/ids", "selection_empty", "Name at least one sample, or give a filter.")
        return cls(ids=tuple(dict.fromkeys(ids)))

    def as_of(self, time: datetime) -> "Selection":
        """The same, without what comes after that time."""
        return replace(self, until=time)


def selection_to_json(selection: Selection) -> dict[str, Any]:
    """The document that a row keeps."""
    return {
        "ids": [str(sample_id) for sample_id in selection.ids],
        "filter": None if selection.filter is None else filter_to_json(selection.filter),
        "until": None if selection.until is None else selection.until.isoformat(),
    }


def selection_from_json(document: dict[str, Any]) -> Selection:
    """The inverse of `selection_to_json`."""
    wanted, until = document["filter"], document["until"]
    return Selection(
        ids=tuple(map(UUID, document["ids"])),
        filter=None if wanted is None else filter_from_json(wanted),
        until=None if until is None else datetime.fromisoformat(until),
    )
