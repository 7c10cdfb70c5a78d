"""Rows of sample lists: the columns that are shown and no objects, because a list is most of what is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Text, Uuid, case, cast, func, null

from fourpoint_core.store.models import Sample, SampleState, VersionSample
from fourpoint_core.store.models.samples import known_sha256


class ListedSample(NamedTuple):
    """A sample, with its document as it is, as it stood, or as a version pinned it; named as in `Sample`.

    Ids are text: they are written out again and nothing else, and UUIDs of fifty rows cost a tenth of a page.
    """

    id: str
    dataset_id: str
    name: str
    object_key: str
    digest: str
    sha256: str | None
    media_type: str
    size_bytes: int
    width: int
    height: int
    annotation_count: int
    revision: int
    labeled_by: str | None
    labeled_at: datetime | None
    created_by: str
    created_at: datetime
    object_modified_at: datetime | None
    missing_since: datetime | None
    changed_at: datetime | None

    @property
    def known_sha256(self) -> str | None:
        """See Sample."""
        return known_sha256(self.digest, self.sha256)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an order: the value that is sorted by (a time, a name, a number), and the sample's id."""

    value: Any
    id: UUID


@dataclass(frozen=True, slots=True)
class SamplePage:
    """Some samples, and the place after which the next page begins (None at the end)."""

    rows: Sequence[ListedSample]
    next: Place | None


def _shown(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(column, Text) if isinstance(column.type, Uuid) else column


def _columns(other: Mapping[str, ColumnElement[Any]]) -> tuple[ColumnElement[Any], ...]:
    return tuple(
        _shown(other[name] if name in other else getattr(Sample, name).expression).label(name)
        for name in ListedSample._fields
    )


def _pinned(name: str) -> ColumnElement[Any]:
    if name == "missing_since":
        # What was missing is in no version.
        return null()
    column: ColumnElement[Any] = getattr(VersionSample, "sample_id" if name == "id" else name).expression
    return column


_count = func.coalesce(SampleState.annotation_count, 0)
# What makes a ListedSample: of a sample as it is; joined with one of its states, as it stood; of what a version
# pinned.
AS_IT_IS = _columns({})
AS_IT_STOOD = _columns(
    {
        "revision": func.coalesce(SampleState.revision, 0),
        "annotation_count": _count,
        "labeled_by": SampleState.labeled_by.expression,
        "labeled_at": case((_count > 0, SampleState.begins_at)),
    }
)
AS_PUBLISHED = _columns({name: _pinned(name) for name in ListedSample._fields})
