"""Create the tables of studies, slots and workers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "tuner_studies",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("optuna_study_id", sa.Integer, nullable=False),
        sa.Column("definition", sa.JSON, nullable=False),
        sa.Column("class_names", sa.JSON, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("resume_state", sa.Text),
        sa.Column("stop_reason", sa.Text),
        sa.Column("budget", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "tuner_slots",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("tuner_studies.id", ondelete="CASCADE"), nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("job", sa.JSON, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("workers", sa.JSON, nullable=False),
        sa.Column("trial_id", sa.Integer),
        sa.Column("trial_number", sa.Integer),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("outcome", sa.JSON),
        sa.Column("started_at", sa.Float),
        sa.Column("finished_at", sa.Float),
        sa.UniqueConstraint("study_id", "stage", "position"),
    )
    op.create_index("ix_tuner_slots_claim", "tuner_slots", ["state", "study_id", "id"])
    op.create_index("ix_tuner_slots_expiry", "tuner_slots", ["state", "expires_at"])
    op.create_table(
        "tuner_workers",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("slot_id", sa.Integer, sa.ForeignKey("tuner_slots.id", ondelete="SET NULL")),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("last_seen_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Drop the three tables and what they hold."""
    op.drop_table("tuner_workers")
    op.drop_table("tuner_slots")
    op.drop_table("tuner_studies")
