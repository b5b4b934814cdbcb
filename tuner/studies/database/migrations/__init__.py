"""Alembic migrations of the tables in `tuner.studies.database.schema`; Optuna migrates its own."""
