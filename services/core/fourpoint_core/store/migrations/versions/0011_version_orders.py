"""A version is sorted by size and by the number of objects as fast as by name."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_version_samples_size": "size_bytes",
    "ix_version_samples_annotation_count": "annotation_count",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, column in _INDEXES.items():
            op.create_index(
                name,
                "version_samples",
                ["dataset_id", column, "sample_id"],
                postgresql_concurrently=True,
                if_not_exists=True,
            )


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, table_name="version_samples")
