"""Filters kept by name, and the images that somebody has been given to label."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class SavedFilter(Base):
    """A filter and a sort under a name of the dataset. filter: as the contract's SampleFilter."""

    __tablename__ = "saved_filters"
    __table_args__ = (Index("uq_saved_filters_dataset_id_name", "dataset_id", "name", unique=True),)

    id: Mapped[Id]
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    name: Mapped[str]
    filter: Mapped[dict[str, Any]]
    sort: Mapped[str]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
    row_version: Mapped[int] = mapped_column(server_default="1")


class SampleLease(Base):
    """An image that was given to a labeler; nobody else is offered it until expires_at. A save ends it."""

    __tablename__ = "sample_leases"
    __table_args__ = (
        Index("ix_sample_leases_user_id", "user_id", "dataset_id"),
        Index("ix_sample_leases_expires_at", "expires_at"),
    )

    sample_id: Mapped[UUID] = mapped_column(ForeignKey("samples.id", ondelete="CASCADE"), primary_key=True)
    dataset_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime]
