"""People: tokens, roles, members of datasets."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is missing."""


def downgrade() -> None:
    """Take it away again."""
