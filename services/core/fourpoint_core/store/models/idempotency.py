"""Requests that name themselves, so that a client may send them again."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt


class IdempotencyKey(Base):
    """One key of one person, and what became of the request that brought it.

    key: what the client's key goes by here; the API makes that of it.
    fingerprint: SHA-256 of the request, hex. attempt: who carries it out, until attempt_expires_at.
    redeemed_at: when its effect was committed, in the effect's own transaction; NULL: there was none.
    result: what that transaction made, where the request can be answered again from it.
    status, headers, body: the answer, its body sealed by the API; NULL until it is known.
    """

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    attempt: Mapped[UUID]
    attempt_expires_at: Mapped[datetime]
    created_at: Mapped[CreatedAt] = mapped_column(index=True)
    redeemed_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
