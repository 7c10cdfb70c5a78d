"""Exports, what unfinished ones left, what imports say of lines, boxes that they found."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("order", _json(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("report", _json(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        _now("created_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_exports_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index("ix_exports_request", "exports", ["request", "content"])
    op.create_index("ix_exports_dataset_id", "exports", ["dataset_id", "created_at", "id"])
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"])
    op.create_table(
        "export_attempts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("lease_number", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("job_id", "lease_number", name=op.f("pk_export_attempts")),
    )
    op.create_table(
        "import_lines",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('refused', 'converted', 'left_out')", name=op.f("ck_import_lines_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_import_lines_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_import_lines")),
    )
    op.create_table(
        "imported_boxes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("prompt", _json(), nullable=False),
        sa.Column("traits", _json(), nullable=False),
        _now("created_at"),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_imported_boxes_sample_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["label_id"], ["labels.id"], name=op.f("fk_imported_boxes_label_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imported_boxes")),
    )
    op.create_index("ix_imported_boxes_sample_id", "imported_boxes", ["sample_id"])
    op.create_index("ix_imported_boxes_label_id", "imported_boxes", ["label_id"])


def downgrade() -> None:
    for table in ("imported_boxes", "import_lines", "export_attempts", "exports"):
        op.drop_table(table)


def _json() -> postgresql.JSONB:
    return postgresql.JSONB(astext_type=sa.Text())


def _now(name: str) -> "sa.Column[datetime]":
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
    )
