"""What a person chose last, so that it need not be chosen again."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt


class Preference(Base):
    """One person's choices in one dataset. labeling_method: as `domain.annotations.Method`."""

    __tablename__ = "preferences"
    __table_args__ = (CheckConstraint("labeling_method IN ('polygon', 'extreme_points')", "labeling_method"),)

    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    labeling_method: Mapped[str]
    updated_at: Mapped[CreatedAt]
