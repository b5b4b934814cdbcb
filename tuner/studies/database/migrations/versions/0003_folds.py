"""Say of each worker which fold of a cross-validation it trains."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("tuner_workers", sa.Column("fold", sa.Integer))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("tuner_workers", "fold")
