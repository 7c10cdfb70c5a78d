"""Annotation documents with history; labels that change."""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is missing."""


def downgrade() -> None:
    """Take it away again."""
