"""What published versions hold: labels, and samples as rows valid from one version's number to another's.

What is given out as `Sample` or `Label` is as it was then: no row of the session, and never to be added to one.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from fourpoint_core.domain.versions import VersionState
from fourpoint_core.store.models import Label, Sample, Version, VersionLabel, VersionSample

# Facts of the image and of its document that a pin has under the names that a sample has them.
FACTS = (
    "dataset_id",
    "name",
    "object_key",
    "object_etag",
    "digest",
    "media_type",
    "size_bytes",
    "width",
    "height",
    "created_by",
    "created_at",
    "revision",
    "annotation_count",
    "labeled_by",
    "labeled_at",
    "changed_at",
    "object_modified_at",
    "sha256",
)

# The condition that a row is valid in some version, one that can still be restored included.
IS_HELD = (
    exists()
    .where(
        Version.dataset_id == VersionSample.dataset_id,
        Version.state != VersionState.FAILED.value,
        Version.number >= VersionSample.from_number,
        or_(VersionSample.to_number.is_(None), Version.number < VersionSample.to_number),
    )
    .correlate(VersionSample)
)


def valid_in(version_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Conditions by which a row of `VersionSample` is one of that version's."""
    number = select(Version.number).where(Version.id == version_id).scalar_subquery()
    dataset_id = select(Version.dataset_id).where(Version.id == version_id).scalar_subquery()
    return (VersionSample.dataset_id == dataset_id, *covers(number))


def covers(number: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Conditions by which a row of `VersionSample` is valid in the version of that number."""
    return (
        VersionSample.from_number <= number,
        or_(VersionSample.to_number.is_(None), VersionSample.to_number > number),
    )


def find(session: Session, version_id: UUID, sample_id: UUID) -> VersionSample | None:
    """A sample as it stood in a version, if it was there."""
    return session.scalar(
        select(VersionSample).where(VersionSample.sample_id == sample_id, *valid_in(version_id))
    )


def as_sample(pin: VersionSample) -> Sample:
    """The sample as it was."""
    facts: dict[str, Any] = {name: getattr(pin, name) for name in FACTS}
    return Sample(id=pin.sample_id, **facts)


def labels_of(session: Session, version_id: UUID) -> list[Label]:
    """The labels of a version, as they were called and coloured, in the order they were made."""
    rows = session.execute(
        select(VersionLabel, Version.dataset_id)
        .join(Version, Version.id == VersionLabel.version_id)
        .where(VersionLabel.version_id == version_id)
        .order_by(VersionLabel.mask_index)
    )
    return [
        Label(
            id=row.label_id,
            dataset_id=dataset_id,
            name=row.name,
            colour=row.colour,
            shortcut=row.shortcut,
            mask_index=row.mask_index,
            created_at=row.created_at,
        )
        for row, dataset_id in rows
    ]


def pinned_among(session: Session, sample_ids: Collection[UUID]) -> set[UUID]:
    """Those of the samples that some version holds, one that can still be restored included."""
    if not sample_ids:
        return set()
    found = select(VersionSample.sample_id).distinct().where(VersionSample.sample_id.in_(sample_ids), IS_HELD)
    return set(session.scalars(found))


def is_pinned(sample_id: Any) -> ColumnElement[bool]:
    """The condition that some version holds a sample."""
    return exists().where(VersionSample.sample_id == sample_id, IS_HELD)
