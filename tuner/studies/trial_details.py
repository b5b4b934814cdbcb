"""What Optuna's tables hold of a study and its trials, read by few statements for a page that shows all of them.

Optuna's own interface loads every trial of a study at once; these functions read a part of them at a time.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import TrialState

from tuner.objectives import Measure
from tuner.studies.database.optuna_tables import (
    CURVES,
    OPTUNA_STUDIES,
    PARAMS,
    SYSTEM_ATTRIBUTES,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
    Attributes,
)
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import studies
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.fronts import find_front, point_of
from tuner.studies.ranking import best_first


@dataclass(frozen=True, kw_only=True)
class StudyHead:
    """One of tuner's studies, found by Optuna's id of it."""

    name: str
    #: The study's identity: SQLite gives Optuna's id of a deleted study to the next one.
    uid: str
    optuna_study_id: int
    n_trials: int
    #: Optuna's ids of the best trial or, with several objectives, of those on the front, in ascending order.
    best_trial_ids: tuple[int, ...]
    #: What the values of a trial are, as people read it.
    value_labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SearchedParameter:
    """A hyperparameter with one of the distributions that trials drew it from."""

    name: str
    distribution: BaseDistribution
    #: Whether every trial that has not failed drew it from this distribution.
    is_everywhere: bool


@dataclass(frozen=True, kw_only=True)
class TrialsSummary:
    """What the trials of a study have in common."""

    #: By name.
    parameters: tuple[SearchedParameter, ...]
    #: Whether any trial that has not failed has reported an epoch.
    has_curves: bool
    #: The user attributes of all trials; True where the first and the last value in text order are numbers.
    attributes: Mapping[str, bool]


@dataclass(frozen=True, kw_only=True)
class StoredParameter:
    """A trial's value of one hyperparameter."""

    name: str
    #: In Optuna's internal representation: of a categorical one the index of the choice.
    internal: float
    distribution: BaseDistribution


@dataclass(frozen=True, kw_only=True)
class TrialDetails:
    """One trial as Optuna's tables hold it."""

    trial_id: int
    number: int
    state: TrialState
    #: Naive local time.
    started_at: datetime | None
    finished_at: datetime | None
    values: Sequence[float]
    parameters: Sequence[StoredParameter]
    #: Pairs of step and value, by step; a value may be infinite or NaN.
    curve: Sequence[tuple[int, float]]
    user_attributes: Attributes
    system_attributes: Attributes


@dataclass(frozen=True, kw_only=True)
class Addressed:
    """What a study's and a trial's id lead to."""

    study_exists: bool
    #: The study's identity; None where it is not one of tuner's.
    uid: str | None
    #: None where no trial of the study has the id.
    trial_state: TrialState | None


@retried
def read_study_head(storage: Storage, optuna_study_id: int) -> StudyHead | None:
    """Find a study by Optuna's id of it; None when it is not one of tuner's."""
    n_trials = sa.select(sa.func.count()).select_from(TRIALS).where(TRIALS.c.study_id == optuna_study_id)
    with storage.reader.connect() as connection:
        ours = sa.select(studies.c.name, studies.c.uid, studies.c.definition).where(
            studies.c.optuna_study_id == optuna_study_id
        )
        study = connection.execute(ours).one_or_none()
        if study is None:
            return None
        measures = StudyDefinition.from_stored(study.definition).measures
        return StudyHead(
            name=study.name,
            uid=study.uid,
            optuna_study_id=optuna_study_id,
            n_trials=connection.scalar(n_trials) or 0,
            best_trial_ids=_read_best(connection, optuna_study_id, measures),
            value_labels=tuple(measure.label for measure in measures),
        )


def _read_best(connection: sa.Connection, optuna_study_id: int, measures: Sequence[Measure]) -> tuple[int, ...]:
    """Return Optuna's ids of what `Study.best_trials` has: the best trial or, with several objectives, the front."""
    complete = (
        sa.select(TRIALS.c.trial_id, VALUES.c.value)
        .join(VALUES, VALUES.c.trial_id == TRIALS.c.trial_id)
        .where(TRIALS.c.study_id == optuna_study_id, TRIALS.c.state == TrialState.COMPLETE)
        # NULL stands for what is no finite number.
        .where(VALUES.c.value.is_not(None))
    )
    if len(measures) == 1:
        # The study's only objective: a best trial is found without reading the others.
        best = connection.scalar(complete.order_by(best_first(VALUES.c.value, measures[0]), TRIALS.c.number).limit(1))
        return () if best is None else (best,)
    values: dict[int, list[float]] = defaultdict(list)
    for row in connection.execute(complete.order_by(TRIALS.c.trial_id, VALUES.c.objective)):
        values[row.trial_id].append(row.value)
    points = {
        trial_id: point
        for trial_id, found in values.items()
        if len(found) == len(measures) and (point := point_of(measures, found)) is not None
    }
    ids = list(points)
    return tuple(ids[place] for place in find_front(list(points.values())))


@retried
def summarize_trials(storage: Storage, optuna_study_id: int) -> TrialsSummary:
    """Return the hyperparameters, curves and attributes that a study's trials have."""
    unfailed = (TRIALS.c.study_id == optuna_study_id, TRIALS.c.state != TrialState.FAIL)
    drawn = (
        sa.select(PARAMS.c.param_name, PARAMS.c.distribution_json, sa.func.count().label("n"))
        .join(TRIALS, TRIALS.c.trial_id == PARAMS.c.trial_id)
        .where(*unfailed)
        .group_by(PARAMS.c.param_name, PARAMS.c.distribution_json)
        .order_by(PARAMS.c.param_name)
    )
    curves = sa.select(CURVES.c.step).join(TRIALS, TRIALS.c.trial_id == CURVES.c.trial_id).where(*unfailed).limit(1)
    value = USER_ATTRIBUTES.c.value_json
    examples = (
        sa.select(USER_ATTRIBUTES.c.key, sa.func.min(value).label("low"), sa.func.max(value).label("high"))
        .join(TRIALS, TRIALS.c.trial_id == USER_ATTRIBUTES.c.trial_id)
        .where(TRIALS.c.study_id == optuna_study_id)
        .group_by(USER_ATTRIBUTES.c.key)
    )
    with storage.reader.connect() as connection:
        n_trials = connection.scalar(sa.select(sa.func.count()).select_from(TRIALS).where(*unfailed))
        parameters = connection.execute(drawn).all()
        has_curves = connection.execute(curves).first() is not None
        attributes = connection.execute(examples).all()
    return TrialsSummary(
        parameters=tuple(
            SearchedParameter(
                name=row.param_name,
                distribution=json_to_distribution(row.distribution_json),
                is_everywhere=row.n == n_trials,
            )
            for row in parameters
        ),
        has_curves=has_curves,
        attributes={row.key: _is_number(row.low) and _is_number(row.high) for row in attributes},
    )


def read_trial_details(storage: Storage, optuna_study_id: int, *, after: int, most: int) -> list[TrialDetails]:
    """Return trials by number, `most` of them from a place in that order on."""
    trials = sa.select(TRIALS).where(TRIALS.c.study_id == optuna_study_id)
    return _read_trials(storage, trials.order_by(TRIALS.c.number).offset(after).limit(most))


def read_one_trial(storage: Storage, optuna_study_id: int, trial_id: int) -> list[TrialDetails]:
    """Return the trial of that id, or nothing where the study has none."""
    return _read_trials(
        storage, sa.select(TRIALS).where(TRIALS.c.study_id == optuna_study_id, TRIALS.c.trial_id == trial_id)
    )


@retried
def find_addressed(storage: Storage, optuna_study_id: int | None, trial_id: int | None) -> Addressed:
    """Look up a study and a trial by Optuna's ids; what is not asked for is not found."""
    study = (
        sa.select(OPTUNA_STUDIES.c.study_id, studies.c.uid)
        .outerjoin(studies, studies.c.optuna_study_id == OPTUNA_STUDIES.c.study_id)
        .where(OPTUNA_STUDIES.c.study_id == optuna_study_id)
    )
    trial = sa.select(TRIALS.c.state).where(TRIALS.c.trial_id == trial_id)
    if optuna_study_id is not None:
        trial = trial.where(TRIALS.c.study_id == optuna_study_id)
    with storage.reader.connect() as connection:
        found = None if optuna_study_id is None else connection.execute(study).one_or_none()
        state: TrialState | None = None if trial_id is None else connection.scalar(trial)
    return Addressed(study_exists=found is not None, uid=found.uid if found else None, trial_state=state)


@retried
def _read_trials(storage: Storage, query: sa.Select[Any]) -> list[TrialDetails]:
    with storage.reader.connect() as connection:
        trials = connection.execute(query).all()
        if not trials:
            return []
        # A range instead of a list of ids: the statement stays short.
        numbers = TRIALS.c.number.between(trials[0].number, trials[-1].number)
        chosen = (TRIALS.c.study_id == trials[0].study_id, numbers)
        values = _by_trial(connection, chosen, VALUES, VALUES.c.objective)
        parameters = _by_trial(connection, chosen, PARAMS, PARAMS.c.param_id)
        curves = _by_trial(connection, chosen, CURVES, CURVES.c.step)
        user = _by_trial(connection, chosen, USER_ATTRIBUTES, USER_ATTRIBUTES.c.trial_user_attribute_id)
        system = _by_trial(connection, chosen, SYSTEM_ATTRIBUTES, SYSTEM_ATTRIBUTES.c.trial_system_attribute_id)
    return [
        TrialDetails(
            trial_id=trial.trial_id,
            number=trial.number,
            state=trial.state,
            started_at=trial.datetime_start,
            finished_at=trial.datetime_complete,
            values=[_number(row.value, row.value_type.name) for row in values[trial.trial_id]],
            parameters=[_parameter(row) for row in parameters[trial.trial_id]],
            curve=[
                (row.step, _number(row.intermediate_value, row.intermediate_value_type.name))
                for row in curves[trial.trial_id]
            ],
            user_attributes=_attributes(user[trial.trial_id]),
            system_attributes=_attributes(system[trial.trial_id]),
        )
        for trial in trials
    ]


def _by_trial(
    connection: sa.Connection, chosen: Sequence[sa.ColumnElement[bool]], table: Any, order: sa.ColumnElement[Any]
) -> Mapping[int, Sequence[Any]]:
    query = sa.select(table).join(TRIALS, TRIALS.c.trial_id == table.c.trial_id).where(*chosen).order_by(order)
    rows: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        rows[row.trial_id].append(row)
    return rows


def _parameter(row: Any) -> StoredParameter:
    return StoredParameter(
        name=row.param_name, internal=row.param_value, distribution=_parse_distribution(row.distribution_json)
    )


@lru_cache(maxsize=1024)
def _parse_distribution(text: str) -> BaseDistribution:
    """Parse a distribution; thousands of trials share a few texts."""
    return json_to_distribution(text)


def _attributes(rows: Iterable[Any]) -> Attributes:
    return {row.key: json.loads(row.value_json) for row in rows}


def _number(value: float | None, kind: str) -> float:
    """Return the number that Optuna stores as a pair: a finite number, and which kind of number it is."""
    if kind in _UNSTORABLE:
        return _UNSTORABLE[kind]
    return math.nan if value is None else value


_UNSTORABLE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}


def _is_number(text: str) -> bool:
    value = json.loads(text)
    return isinstance(value, int | float) and not isinstance(value, bool)
