"""Uploads that go past the API, straight to the object store."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class DirectUpload(Base):
    """Slots that a client may write to until expires_at, and what became of them.

    dataset_id: no foreign key, because the sweep still has to remove staged objects when the dataset is gone.
    files: `{name, size_bytes, content_type}` in the client's order; the staged keys follow from their places.
    sample_ids: of the samples that the files became, in the same order; NULL until they are registered.
    """

    __tablename__ = "direct_uploads"

    id: Mapped[Id]
    dataset_id: Mapped[UUID]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    files: Mapped[list[Any]]
    sample_ids: Mapped[list[Any] | None]
