"""People, their tokens, and what they are in datasets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fourpoint_core.store.models.base import Base, CreatedAt, Id


class User(Base):
    """Author and owner of what they make; never deleted, because their work names them.

    oidc_issuer, oidc_subject: who this is at an identity provider; both or none.
    disabled_at: since when nothing that this person holds opens anything.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", "oidc"),
        Index("uq_users_oidc", "oidc_issuer", "oidc_subject", unique=True),
        Index("ix_users_created_at_id", "created_at", "id"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    is_admin: Mapped[bool] = mapped_column(server_default="false")
    oidc_issuer: Mapped[str | None]
    oidc_subject: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    disabled_at: Mapped[datetime | None]


class ApiToken(Base):
    """A secret that somebody's programs show instead of a password; only its digest is kept.

    token_hash: SHA-256 of the whole token, hex. A fast hash will do: the secret has 256 random bits.
    last_used_at: exact to some minutes, so that reading costs no writing.
    """

    __tablename__ = "api_tokens"
    __table_args__ = (
        CheckConstraint("scope IN ('read', 'label', 'manage', 'admin')", "scope"),
        Index("uq_api_tokens_token_hash", "token_hash", unique=True),
        Index("ix_api_tokens_user_id", "user_id", "created_at", "id"),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    token_hash: Mapped[str]
    scope: Mapped[str]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class DatasetMember(Base):
    """What somebody is in a dataset."""

    __tablename__ = "dataset_members"
    __table_args__ = (
        CheckConstraint("role IN ('viewer', 'labeler', 'owner')", "role"),
        Index("ix_dataset_members_user_id", "user_id", "dataset_id"),
    )

    # The rows go with their dataset, also where the previous version's code, which knows of none, purges it.
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    role: Mapped[str]
    created_at: Mapped[CreatedAt]
