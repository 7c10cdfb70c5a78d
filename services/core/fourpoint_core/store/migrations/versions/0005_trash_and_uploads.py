"""Trash, direct uploads, preferences, idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TRASHED = sa.text("trashed_at IS NOT NULL")
_SAMPLE_INDEXES = {
    "ix_samples_digest": (["digest"], None),
    "ix_samples_trash": (["dataset_id", "trashed_at", "id"], _TRASHED),
    "ix_samples_trashed_at": (["trashed_at"], _TRASHED),
    "ix_samples_deletion_id": (["deletion_id"], sa.text("deletion_id IS NOT NULL")),
}


def upgrade() -> None:
    # samples.trashed_at is there since 0004, whose counters leave out what lies in the trash.
    op.add_column("samples", sa.Column("trashed_by", sa.Uuid(), nullable=True))
    op.add_column("samples", sa.Column("deletion_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_samples_trashed_by"), "samples", "users", ["trashed_by"], ["id"])
    _create_tables()
    with op.get_context().autocommit_block():
        for name, (columns, condition) in _SAMPLE_INDEXES.items():
            op.create_index(
                name,
                "samples",
                columns,
                postgresql_where=condition,
                postgresql_concurrently=True,
                if_not_exists=True,
            )


def _create_tables() -> None:
    op.create_table(
        "forgotten_objects",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        _now("forgotten_at"),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_forgotten_objects_dataset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "object_key", name=op.f("pk_forgotten_objects")),
    )
    op.create_table(
        "direct_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        _now("created_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sample_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_direct_uploads_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_direct_uploads")),
    )
    op.create_index(op.f("ix_direct_uploads_expires_at"), "direct_uploads", ["expires_at"])
    op.create_table(
        "preferences",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("labeling_method", sa.Text(), nullable=False),
        _now("updated_at"),
        sa.CheckConstraint(
            "labeling_method IN ('polygon', 'extreme_points')", name=op.f("ck_preferences_labeling_method")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_preferences_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_preferences_user_id")),
        sa.PrimaryKeyConstraint("dataset_id", "user_id", name=op.f("pk_preferences")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Uuid(), nullable=False),
        sa.Column("attempt_expires_at", sa.DateTime(timezone=True), nullable=False),
        _now("created_at"),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_idempotency_keys_user_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def downgrade() -> None:
    for table in ("idempotency_keys", "preferences", "direct_uploads", "forgotten_objects"):
        op.drop_table(table)
    # Nobody could restore it any more.
    op.execute("UPDATE samples SET trashed_at = NULL, deletion_id = NULL WHERE trashed_at IS NOT NULL")
    for name in _SAMPLE_INDEXES:
        op.drop_index(name, table_name="samples")
    op.drop_constraint(op.f("fk_samples_trashed_by"), "samples", type_="foreignkey")
    for column in ("deletion_id", "trashed_by"):
        op.drop_column("samples", column)
