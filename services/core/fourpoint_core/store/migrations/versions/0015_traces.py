"""A job says of which trace it is, so that whoever runs it, by whichever message, goes on with that trace."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("traceparent", sa.Text))


def downgrade() -> None:
    op.drop_column("jobs", "traceparent")
