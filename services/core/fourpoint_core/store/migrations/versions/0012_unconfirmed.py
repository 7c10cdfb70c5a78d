"""Outlines that a batch has drawn wait for somebody to confirm them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INDEX = "ix_annotations_unconfirmed"


def upgrade() -> None:
    # A constant default: no row is rewritten.
    op.add_column(
        "annotations", sa.Column("unconfirmed", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    with op.get_context().autocommit_block():
        op.create_index(
            _INDEX,
            "annotations",
            ["sample_id"],
            postgresql_where=sa.text("unconfirmed"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="annotations")
    op.drop_column("annotations", "unconfirmed")
