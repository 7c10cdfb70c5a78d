"""Annotation documents with history; labels that change.

Every column is one that the previous version can leave out: where it is NULL, or has its default, the row
says what it said before.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("labels", sa.Column("shortcut", sa.Text(), nullable=True))
    op.add_column("labels", sa.Column("row_version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("labels", sa.Column("merged_into", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_labels_merged_into"), "labels", "labels", ["merged_into"], ["id"])
    op.create_index(
        "uq_labels_dataset_id_shortcut",
        "labels",
        ["dataset_id", "shortcut"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.add_column("revisions", sa.Column("undo_to", sa.Integer(), nullable=True))
    op.add_column("revisions", sa.Column("redo_to", sa.Integer(), nullable=True))
    op.add_column("revisions", sa.Column("restored_from", sa.Integer(), nullable=True))
    op.add_column(
        "annotations",
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("annotations", sa.Column("visible", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("annotations", sa.Column("z_order", sa.Integer(), server_default="0", nullable=False))
    for mark in ("difficult", "occluded", "truncated"):
        op.add_column("annotations", sa.Column(mark, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("annotations", sa.Column("vertex_count", sa.Integer(), nullable=True))
    op.add_column("annotations", sa.Column("edited_by", sa.Uuid(), nullable=True))
    op.add_column("annotations", sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True))
    # Checked for new rows only: reading a million old ones, all NULL, would hold the table for nothing.
    op.create_foreign_key(
        op.f("fk_annotations_edited_by"),
        "annotations",
        "users",
        ["edited_by"],
        ["id"],
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    for column in (
        "edited_at",
        "edited_by",
        "vertex_count",
        "truncated",
        "occluded",
        "difficult",
        "z_order",
        "visible",
        "attributes",
    ):
        op.drop_column("annotations", column)
    for column in ("restored_from", "redo_to", "undo_to"):
        op.drop_column("revisions", column)
    op.drop_index(
        "uq_labels_dataset_id_shortcut", table_name="labels", postgresql_where=sa.text("deleted_at IS NULL")
    )
    for column in ("merged_into", "row_version", "shortcut"):
        op.drop_column("labels", column)
