"""Alembic migrations of the tables in `tuner.studies.schema`; Optuna migrates its own."""
