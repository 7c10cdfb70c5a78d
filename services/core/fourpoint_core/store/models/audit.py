"""The audit log: who did what to which resource."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt


class AuditEntry(Base):
    """Something that was done: written in the same transaction, by triggers, and never changed or removed.

    Refers to nothing by foreign keys: it outlives what it speaks of. actor_name: as it was then.
    via: see `actors.Via`. action: the kind of resource, a dot and what happened to it.
    changes: by the name of the field `from` and `to`; of what has no fields, what is worth knowing.
    once: where the same is to be written once only, what tells that it is the same.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_created_at", "created_at", "id"),
        Index("ix_audit_entries_actor_id", "actor_id", "id"),
        Index("ix_audit_entries_action", "action", "id"),
        Index("ix_audit_entries_resource_kind", "resource_kind", "id"),
        Index("ix_audit_entries_resource_id", "resource_id", "id"),
        Index("ix_audit_entries_dataset_id", "dataset_id", "id"),
        Index("uq_audit_entries_once", "once", unique=True, postgresql_where=text("once IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    created_at: Mapped[CreatedAt]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str | None]
    token_id: Mapped[UUID | None]
    via: Mapped[str]
    address: Mapped[str | None]
    request_id: Mapped[str | None]
    job_id: Mapped[UUID | None]
    action: Mapped[str]
    resource_kind: Mapped[str]
    resource_id: Mapped[str | None]
    dataset_id: Mapped[UUID | None]
    changes: Mapped[dict[str, Any]]
    database_role: Mapped[str] = mapped_column(server_default=text("SESSION_USER"))
    once: Mapped[str | None]
