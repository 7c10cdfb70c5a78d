"""People: tokens, roles, members of datasets."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

from fourpoint_core.ids import LOCAL_USER_ID

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _now() -> sa.Column[datetime]:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )


def upgrade() -> None:
    # The only table here that may be big, and busy: clicks are inserted without pause. First, because it
    # commits on its own: a migration that fails here, and is run again, has left nothing but a broken index.
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_created_by")
        op.create_index(
            "ix_jobs_created_by", "jobs", ["created_by", "created_at", "id"], postgresql_concurrently=True
        )
    op.add_column("users", sa.Column("is_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("users", sa.Column("oidc_issuer", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("oidc_subject", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_users_oidc"), "users", "(oidc_issuer IS NULL) = (oidc_subject IS NULL)")
    op.create_index("uq_users_oidc", "users", ["oidc_issuer", "oidc_subject"], unique=True)
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        _now(),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("scope IN ('read', 'label', 'manage', 'admin')", name=op.f("ck_api_tokens_scope")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
    )
    op.create_index("uq_api_tokens_token_hash", "api_tokens", ["token_hash"], unique=True)
    op.create_index("ix_api_tokens_user_id", "api_tokens", ["user_id", "created_at", "id"])
    op.create_table(
        "dataset_members",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        _now(),
        sa.CheckConstraint("role IN ('viewer', 'labeler', 'owner')", name=op.f("ck_dataset_members_role")),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
            name=op.f("fk_dataset_members_dataset_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_dataset_members_user_id")),
        sa.PrimaryKeyConstraint("dataset_id", "user_id", name=op.f("pk_dataset_members")),
    )
    op.create_index("ix_dataset_members_user_id", "dataset_members", ["user_id", "dataset_id"])
    # The built-in user stays the owner of what it has made. Whoever runs without accounts is this user.
    users = sa.table("users", sa.column("id", sa.Uuid()), sa.column("is_admin", sa.Boolean()))
    op.execute(users.update().where(users.c.id == LOCAL_USER_ID).values(is_admin=True))
    op.execute(
        "INSERT INTO dataset_members (dataset_id, user_id, role) SELECT id, created_by, 'owner' FROM datasets"
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_created_by", table_name="jobs")
    op.drop_table("dataset_members")
    op.drop_table("api_tokens")
    op.drop_index("ix_users_created_at_id", table_name="users")
    op.drop_index("uq_users_oidc", table_name="users")
    op.drop_constraint(op.f("ck_users_oidc"), "users")
    for name in ("disabled_at", "oidc_subject", "oidc_issuer", "is_admin"):
        op.drop_column("users", name)
