"""Counters that nobody waits for: changes are rows of their own, and the sweep folds them."""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base


class Tally(Base):
    """What has been folded. The count is this plus the deltas of the same key.

    kind: sample, labeled, missing (subject: the dataset); label, labeler, labeler_day (subject: label or
    person).
    day: the first of 1970 where the counter is not of a day. objects: annotations of the counted images.
    """

    __tablename__ = "tallies"

    dataset_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    # Before the subject: the days that are asked for then lie together in the index.
    day: Mapped[date] = mapped_column(primary_key=True)
    subject: Mapped[UUID] = mapped_column(primary_key=True)
    images: Mapped[int] = mapped_column(BigInteger)
    objects: Mapped[int] = mapped_column(BigInteger)


class TallyDelta(Base):
    """A change of one counter by one statement; the triggers of migration 0004 write it."""

    __tablename__ = "tally_deltas"
    __table_args__ = (Index("ix_tally_deltas_dataset_id", "dataset_id", "kind"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    dataset_id: Mapped[UUID]
    kind: Mapped[str]
    subject: Mapped[UUID]
    day: Mapped[date]
    images: Mapped[int] = mapped_column(BigInteger)
    objects: Mapped[int] = mapped_column(BigInteger)
