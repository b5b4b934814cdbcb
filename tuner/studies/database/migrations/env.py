"""How Alembic runs here: on the connection that `tuner.studies.database.storage` hands over, inside its lock."""

from alembic import context

from tuner.studies.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # Optuna keeps `alembic_version` in the same database.
    version_table="tuner_alembic_version",
)
with context.begin_transaction():
    context.run_migrations()
