"""Optuna's own tables: what is read or written in one statement, or in one transaction with tuner's tables.

Optuna keeps them to itself (`optuna.storages._rdb`). Only this module and `single_creation`, which extends Optuna's
class of storages, import them: at the next upgrade of Optuna these two are to be read.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from optuna.storages._rdb.models import (
    BaseModel,
    StudyDirectionModel,
    StudyModel,
    StudySystemAttributeModel,
    TrialIntermediateValueModel,
    TrialModel,
    TrialParamModel,
    TrialSystemAttributeModel,
    TrialUserAttributeModel,
    TrialValueModel,
)
from optuna.study import StudyDirection
from optuna.trial import TrialState

from tuner.objectives import Measure

_studies, _directions, _trials = StudyModel.__table__, StudyDirectionModel.__table__, TrialModel.__table__
_of_studies = StudySystemAttributeModel.__table__
_values, _attributes = TrialValueModel.__table__, TrialUserAttributeModel.__table__

#: The revision of the tables that Optuna 5.0 creates; a test holds it against Optuna's own.
OPTUNA_REVISION = "v3.2.0.a"

#: Optuna's key of a study's system attribute, where `Study.set_metric_names` keeps what it is given; a test holds it
#: against Optuna's own.
_METRIC_NAMES = "study:metric_names"
#: Optuna's tables, for statements in other modules.
OPTUNA_STUDIES, TRIALS, VALUES = _studies, _trials, _values
PARAMS, CURVES = TrialParamModel.__table__, TrialIntermediateValueModel.__table__
USER_ATTRIBUTES, SYSTEM_ATTRIBUTES = _attributes, TrialSystemAttributeModel.__table__

#: Attributes of a study or trial by their keys, as JSON values.
Attributes = Mapping[str, Any]

#: Returns a score as `CURVES` holds it, value and type: NaN and the infinities are types without a value.
stored_score = TrialIntermediateValueModel.intermediate_value_to_stored_repr


def find_in_optuna(connection: sa.Connection, name: str) -> tuple[int, int] | None:
    """Return the id of the study of that name and how many trials it has; none begins before the transaction ends."""
    named = sa.select(_studies.c.study_id).where(_studies.c.study_name == name).with_for_update()
    study_id: int | None = connection.scalar(named)
    if study_id is None:
        return None
    n_trials = sa.select(sa.func.count()).select_from(_trials).where(_trials.c.study_id == study_id)
    return study_id, connection.execute(n_trials).scalar_one()


def create_in_optuna(connection: sa.Connection, name: str) -> int:
    """Create a study that has no direction yet, as `BaseStorage.create_new_study` does in a transaction of its own."""
    new = sa.insert(_studies).values(study_name=name).returning(_studies.c.study_id)
    study_id: int = connection.execute(new).scalar_one()
    return study_id


def set_objectives(connection: sa.Connection, optuna_study_id: int, measures: Sequence[Measure]) -> None:
    """Give the study, which has no trials, the directions and names of its values in place of any that it has."""
    _name_metrics(connection, optuna_study_id, [measure.label for measure in measures])
    connection.execute(sa.delete(_directions).where(_directions.c.study_id == optuna_study_id))
    rows = [
        {"study_id": optuna_study_id, "objective": place, "direction": StudyDirection[measure.direction.upper()]}
        for place, measure in enumerate(measures)
    ]
    connection.execute(sa.insert(_directions), rows)


def _name_metrics(connection: sa.Connection, optuna_study_id: int, names: Sequence[str]) -> None:
    """Say what the study's values are, in place of what was said before, as `optuna.Study.set_metric_names` does."""
    of_study = sa.and_(_of_studies.c.study_id == optuna_study_id, _of_studies.c.key == _METRIC_NAMES)
    connection.execute(sa.delete(_of_studies).where(of_study))
    values = {"study_id": optuna_study_id, "key": _METRIC_NAMES, "value_json": json.dumps(names)}
    connection.execute(sa.insert(_of_studies).values(values))


def lock_in_optuna(connection: sa.Connection, optuna_study_id: int) -> None:
    """Keep others from beginning a trial of the study before the transaction ends."""
    study = sa.select(_studies.c.study_id).where(_studies.c.study_id == optuna_study_id)
    connection.execute(study.with_for_update())


def close_in_optuna(
    connection: sa.Connection, trial_id: int, state: TrialState, *, values: Sequence[float], failure: str | None
) -> None:
    """Give a running trial its final state, values and failure; one that is closed already stays as it is."""
    closing = (
        sa.update(_trials)
        .where(_trials.c.trial_id == trial_id, _trials.c.state == TrialState.RUNNING)
        # Naive local time, as Optuna's own.
        .values(state=state, datetime_complete=datetime.now())  # noqa: DTZ005 - as above
    )
    if not connection.execute(closing).rowcount:
        return
    for place, value in enumerate(values):
        stored, kind = TrialValueModel.value_to_stored_repr(value)
        final = {"trial_id": trial_id, "objective": place, "value": stored, "value_type": kind}
        connection.execute(insert_into(connection, _values).values(final).on_conflict_do_nothing())
    if failure is not None:
        why = {"trial_id": trial_id, "key": "failure", "value_json": json.dumps(failure)}
        connection.execute(insert_into(connection, _attributes).values(why).on_conflict_do_nothing())


def set_user_attributes(connection: sa.Connection, trial_id: int, values: Attributes) -> None:
    """Set a trial's user attributes, at least one, in place of what they were, as `Trial.set_user_attr` does."""
    rows = [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in values.items()]
    inserted = insert_into(connection, _attributes).values(rows)
    changed = {"value_json": inserted.excluded.value_json}
    connection.execute(inserted.on_conflict_do_update(index_elements=["trial_id", "key"], set_=changed))


def insert_into(connection: sa.Connection, table: sa.FromClause) -> Any:
    """Return an INSERT that can say ON CONFLICT, for which each database has a class of its own."""
    # One of them: importing PostgreSQL's takes longer than counting a study of thousands of trials.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(cast("sa.Table", table))
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(cast("sa.Table", table))


def delete_from_optuna(connection: sa.Connection, optuna_study_id: int) -> None:
    """Remove a study with all its trials, as `BaseStorage.delete_study` does in a transaction of its own."""
    of_study = sa.select(_trials.c.trial_id).where(_trials.c.study_id == optuna_study_id)
    # Tables that refer to others come first.
    for table in reversed(BaseModel.metadata.sorted_tables):
        if "study_id" in table.c:
            connection.execute(sa.delete(table).where(table.c.study_id == optuna_study_id))
        elif "trial_id" in table.c:
            connection.execute(sa.delete(table).where(table.c.trial_id.in_(of_study)))
