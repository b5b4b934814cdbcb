"""What is done in Optuna's own tables by one statement or in one transaction with tuner's, past Optuna's interface."""

import json
from datetime import datetime

import sqlalchemy as sa
from optuna.storages._rdb.models import BaseModel, StudyModel, TrialModel, TrialUserAttributeModel, TrialValueModel
from optuna.trial import TrialState
from sqlalchemy.dialects import postgresql, sqlite

_studies, _trials = StudyModel.__table__, TrialModel.__table__
_values, _attributes = TrialValueModel.__table__, TrialUserAttributeModel.__table__


def lock_in_optuna(connection: sa.Connection, optuna_study_id: int) -> None:
    """Let nobody begin a trial of the study before the transaction ends."""
    study = sa.select(_studies.c.study_id).where(_studies.c.study_id == optuna_study_id)
    connection.execute(study.with_for_update())


def close_in_optuna(
    connection: sa.Connection, trial_id: int, state: TrialState, *, value: float | None, failure: str | None
) -> None:
    """Give a running trial its final state, value and failure; one that is closed already stays as it is."""
    closing = (
        sa.update(_trials)
        .where(_trials.c.trial_id == trial_id, _trials.c.state == TrialState.RUNNING)
        # Naive local time, as Optuna's own.
        .values(state=state, datetime_complete=datetime.now())  # noqa: DTZ005 - as above
    )
    if not connection.execute(closing).rowcount:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    if value is not None:
        stored, kind = TrialValueModel.value_to_stored_repr(value)
        final = {"trial_id": trial_id, "objective": 0, "value": stored, "value_type": kind}
        connection.execute(insert(_values).values(final).on_conflict_do_nothing())
    if failure is not None:
        why = {"trial_id": trial_id, "key": "failure", "value_json": json.dumps(failure)}
        connection.execute(insert(_attributes).values(why).on_conflict_do_nothing())


def delete_from_optuna(connection: sa.Connection, optuna_study_id: int) -> None:
    """Remove a study with all its trials, as `BaseStorage.delete_study` does in a transaction of its own."""
    of_study = sa.select(_trials.c.trial_id).where(_trials.c.study_id == optuna_study_id)
    # Those that refer to others come first.
    for table in reversed(BaseModel.metadata.sorted_tables):
        if "study_id" in table.c:
            connection.execute(sa.delete(table).where(table.c.study_id == optuna_study_id))
        elif "trial_id" in table.c:
            connection.execute(sa.delete(table).where(table.c.trial_id.in_(of_study)))
