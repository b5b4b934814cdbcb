"""Give each study an identity of its own, and a place for what its pixels mean."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; studies of revision 0001 get an identity, and no meaning of pixels."""
    op.add_column("tuner_studies", sa.Column("uid", sa.Text))
    op.add_column("tuner_studies", sa.Column("pixels", sa.JSON))
    studies = sa.table("tuner_studies", sa.column("id", sa.Integer), sa.column("uid", sa.Text))
    connection = op.get_bind()
    for study_id in connection.scalars(sa.select(studies.c.id)).all():
        connection.execute(sa.update(studies).where(studies.c.id == study_id).values(uid=uuid.uuid4().hex))


def downgrade() -> None:
    """Drop the columns and what they hold."""
    op.drop_column("tuner_studies", "pixels")
    op.drop_column("tuner_studies", "uid")
