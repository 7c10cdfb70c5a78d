"""Webhooks, and what is or was to be delivered to them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class Webhook(Base):
    """An address that is told of events.

    dataset_id: of this dataset's events; NULL: of all datasets'. No foreign key: it outlives its dataset until
    the end of that has been told. secret: signs what is sent, so it is kept as
    it is, and shown to nobody after it was made.
    """

    __tablename__ = "webhooks"
    __table_args__ = (
        Index("ix_webhooks_created_at_id", "created_at", "id"),
        Index("ix_webhooks_dataset_id", "dataset_id", "created_at", "id"),
    )

    id: Mapped[Id]
    dataset_id: Mapped[UUID | None]
    url: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=true())
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[CreatedAt]


class WebhookDelivery(Base):
    """An event on its way to a webhook; written by the transaction that made it happen.

    event_id: the same for every webhook that is told, and for a delivery that is sent again.
    body: what is sent, as it will be signed. next_attempt_at: when it is due; NULL when it has ended.
    claim: grows with every attempt; what comes of one counts only under its number.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'failed')", "state"),
        Index("ix_webhook_deliveries_log", "webhook_id", "created_at", "id"),
        Index(
            "ix_webhook_deliveries_due",
            "webhook_id",
            "next_attempt_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_webhook_deliveries_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )

    id: Mapped[Id]
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[UUID]
    event: Mapped[str]
    body: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    claim: Mapped[int] = mapped_column(server_default="0")
    next_attempt_at: Mapped[datetime | None]
    status_code: Mapped[int | None]
    error: Mapped[str | None]
    response: Mapped[str | None]
    milliseconds: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None]
