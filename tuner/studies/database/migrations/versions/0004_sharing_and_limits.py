"""Give each study a share of the workers, limits of time, and what ended its search and its finals."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_studies = sa.table("tuner_studies", sa.column("created_at"), sa.column("search_since"))


def upgrade() -> None:
    """Add the columns; older studies share the workers equally and have no limits."""
    op.add_column("tuner_studies", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.add_column("tuner_studies", sa.Column("weight", sa.Float, nullable=False, server_default="1"))
    op.add_column("tuner_studies", sa.Column("max_workers", sa.Integer))
    op.add_column("tuner_studies", sa.Column("time_left_s", sa.Float))
    op.add_column("tuner_studies", sa.Column("deadline_at", sa.Float))
    op.add_column("tuner_studies", sa.Column("search_since", sa.Float))
    op.add_column("tuner_studies", sa.Column("search_ended", sa.Text))
    op.add_column("tuner_studies", sa.Column("finals_ended", sa.Text))
    op.get_bind().execute(sa.update(_studies).values(search_since=_studies.c.created_at))


def downgrade() -> None:
    """Drop the columns."""
    for name in (
        "finals_ended",
        "search_ended",
        "search_since",
        "deadline_at",
        "time_left_s",
        "max_workers",
        "weight",
        "priority",
    ):
        op.drop_column("tuner_studies", name)
