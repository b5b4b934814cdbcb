"""From the database's rows to records."""

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages._rdb.models import TrialIntermediateValueModel, TrialParamModel

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.studies.lifecycle import Study, find_study
from tuner.studies.outages import retried
from tuner.studies.records import (
    ConfirmationRecord,
    EnsembleRecord,
    Failure,
    FinalRecord,
    JobState,
    RetrainRecord,
    StudyRecord,
    TrialRecord,
    TrialState,
)
from tuner.studies.schema import slots, without_curve
from tuner.studies.seeds import trial_seed
from tuner.studies.storage import Storage

#: The epochs of an outcome, as it is stored.
Curve = Sequence[Mapping[str, Any]]
EpochReader = Callable[[Curve], tuple[Epoch, ...]]


def epochs_from(curve: Curve) -> tuple[Epoch, ...]:
    """Return the epochs of an outcome's curve."""
    return tuple(Epoch(**epoch) for epoch in curve)


def _scores_from(curve: Curve) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(epoch=epoch["epoch"], loss=None, accuracy=None, val_loss=None, val_accuracy=epoch["val_accuracy"])
        for epoch in curve
    )


#: Slots whose outcomes are in memory at a time.
_ROWS_AT_A_TIME = 250
#: That Postgres keeps.
_LARGEST_NUMBER = 2**31 - 1


def load_study(storage: Storage, name: str) -> StudyRecord:
    """Read everything that a study has done so far.

    Raises:
        StudyNotFoundError: No study has that name.
    """
    return _read_record(storage, find_study(storage, name), slots.c.outcome)


def load_scores(storage: Storage, name: str) -> StudyRecord:
    """Read what a study has done so far; of the trials' epochs the validation accuracies alone, as reports draw them.

    The curves of finals are whole.

    Raises:
        StudyNotFoundError: No study has that name.
    """
    return _read_record(storage, find_study(storage, name), slots.c.outcome, epochs_of=_scores_from)


def load_outline(storage: Storage, name: str) -> StudyRecord:
    """Read what a study has done so far without its curves, which are nine tenths of it: they are empty.

    Raises:
        StudyNotFoundError: No study has that name.
    """
    return _read_record(storage, find_study(storage, name), without_curve(slots.c.outcome).label("outcome"))


def load_trial(storage: Storage, name: str, number: int) -> tuple[StudyRecord, TrialRecord]:
    """Read one trial with its whole curve, and its study otherwise as `load_outline` does.

    Raises:
        StudyNotFoundError: No study has that name.
        TrialNotFoundError: It has no trial of that number.
    """
    # No trial has a larger number, and no database is asked for it.
    is_wanted = slots.c.trial_number == min(number, _LARGEST_NUMBER)
    outcome = sa.case((is_wanted, slots.c.outcome), else_=without_curve(slots.c.outcome)).label("outcome")
    record = _read_record(storage, find_study(storage, name), outcome)
    for trial in record.trials:
        if trial.number == number:
            return record, trial
    raise TrialNotFoundError(record, number)


@retried
def _read_record(
    storage: Storage, study: Study, outcome: sa.ColumnElement[Any], *, epochs_of: EpochReader = epochs_from
) -> StudyRecord:
    columns = [column for column in slots.c if column is not slots.c.outcome]
    query = sa.select(*columns, outcome).where(slots.c.study_id == study.id).order_by(slots.c.id)
    rows, trials, unbegun = [], [], []
    with storage.reader.connect() as connection:
        reported = _read_reported(connection, study)
        # An outcome as Python's objects is many times as large as its record: never all of them at once.
        for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_A_TIME)):
            if row.stage != "search":
                rows.append(row)
            elif row.trial_number is None:
                unbegun.append(row)
            else:
                curve = epochs_of((row.outcome or {}).get("curve", ()))
                trials.append(_trial(row.trial_number, row, curve, reported.get(row.trial_id), study))
    taken = {trial.number for trial in trials}
    for row in unbegun:
        # Slots that nobody began take their position, unless somebody's own trial in Optuna has that number.
        number = next(free for free in itertools.count(row.position) if free not in taken)
        taken.add(number)
        trials.append(_trial(number, row, (), None, study))
    return _record(study, rows, sorted(trials, key=lambda trial: trial.number))


def _record(study: Study, rows: Sequence[Any], trials: Sequence[TrialRecord]) -> StudyRecord:
    """Put a study together from the rows of its confirmations and finals, and from its trials."""
    augmented = [_final(rank, jobs) for rank, jobs in enumerate(_finals_by_trial(rows, augmented=True), start=1)]
    plain = [_final(1, jobs) for jobs in _finals_by_trial(rows, augmented=False)]
    return StudyRecord(
        name=study.name,
        space=study.definition.space,
        dataset=study.definition.dataset,
        seed=study.definition.seed,
        state=study.state,
        budget=study.budget,
        definition=study.definition.model_dump(mode="json"),
        class_names=study.class_names,
        provenance=study.provenance,
        pixels=study.pixels,
        created_at=_time(study.created_at),
        trials=tuple(trials),
        finals=tuple(augmented),
        without_augmentation=plain[0] if plain else None,
        ensemble=_ensemble(rows),
        stop_reason=study.stop_reason,
        confirmations=tuple(_confirmation(row) for row in rows if row.stage == "confirm"),
        ensemble_failure=_failure(_newest_ensemble(rows)),
        ensemble_notes=_notes(_newest_ensemble(rows)),
    )


@dataclass(frozen=True, kw_only=True)
class _Reported:
    """What a trial without an outcome has told Optuna so far."""

    #: Validation accuracy by epoch.
    scores: dict[int, float] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)


def _read_reported(connection: sa.Connection, study: Study) -> Mapping[int, _Reported]:
    """Return what the study's trials without an outcome have reported, by the ids of Optuna's trials."""
    unfinished = sa.select(slots.c.trial_id).where(slots.c.study_id == study.id, slots.c.outcome.is_(None))
    reported: dict[int, _Reported] = {}
    scores = sa.select(TrialIntermediateValueModel.__table__).where(
        TrialIntermediateValueModel.trial_id.in_(unfinished)
    )
    for row in connection.execute(scores):
        if row.intermediate_value is not None:
            reported.setdefault(row.trial_id, _Reported()).scores[row.step] = row.intermediate_value
    drawn = sa.select(TrialParamModel.__table__).where(TrialParamModel.trial_id.in_(unfinished))
    for row in connection.execute(drawn.order_by(TrialParamModel.param_id)):
        distribution = optuna.distributions.json_to_distribution(row.distribution_json)
        value = distribution.to_external_repr(row.param_value)
        reported.setdefault(row.trial_id, _Reported()).hyperparameters[row.param_name] = value
    return reported


@retried
def read_version(storage: Storage, study: Study) -> str:
    """Return a text that changes whenever the study's record does; far cheaper than the record."""
    query = sa.select(
        sa.func.count(),
        sa.func.sum(slots.c.epoch),
        sa.func.sum(slots.c.token),
        sa.func.count(slots.c.trial_id),
        sa.func.count(slots.c.finished_at),
        sa.func.max(slots.c.finished_at),
    ).where(slots.c.study_id == study.id)
    with storage.reader.connect() as connection:
        counted = connection.execute(query).one()
    finals = study.definition.finals.model_dump_json()
    whole = [study.id, study.created_at, study.state, study.stop_reason, study.budget, finals, *counted]
    return sha256(repr(whole).encode()).hexdigest()


class TrialNotFoundError(TunerError):
    """The study has no trial of that number."""

    def __init__(self, record: StudyRecord, number: int) -> None:
        begun = len(record.trials) - len(record.trials_in("waiting"))
        super().__init__(f"Study {record.name!r} has no trial {number} yet; it has begun {begun} of {record.budget}.")


@retried
def read_slots(storage: Storage, study_id: int) -> Sequence[Any]:
    """Return the rows of the study's slots in the order in which they were made."""
    with storage.reader.connect() as connection:
        return connection.execute(sa.select(slots).where(slots.c.study_id == study_id).order_by(slots.c.id)).all()


def confirmed_scores(rows: Sequence[Any]) -> dict[int, float]:
    """Return the mean validation accuracy over confirmation repeats, by trial number, the best first.

    Configurations of which no repeat succeeded are left out.
    """
    scores: dict[int, list[float]] = {}
    for row in rows:
        if row.stage == "confirm" and row.outcome and row.outcome["score"] is not None:
            scores.setdefault(row.job["trial"], []).append(row.outcome["score"])
    means = {trial: statistics.fmean(values) for trial, values in scores.items()}
    return dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))


def _trial(number: int, row: Any, curve: tuple[Epoch, ...], reported: _Reported | None, study: Study) -> TrialRecord:
    outcome = row.outcome
    if outcome:
        score, best_epoch = outcome["score"], outcome["best_epoch"]
        hyperparameters = outcome["hyperparameters"]
        state: TrialState = outcome["state"]
    else:
        scores = reported.scores if reported else {}
        curve = tuple(
            Epoch(epoch=epoch, loss=None, accuracy=None, val_loss=None, val_accuracy=value)
            for epoch, value in sorted(scores.items())
        )
        best_epoch = max(scores, key=lambda epoch: (scores[epoch], -epoch), default=None)
        score = None if best_epoch is None else scores[best_epoch]
        hyperparameters = reported.hyperparameters if reported else {}
        state = "running" if row.state == "leased" else "waiting"
    return TrialRecord(
        number=number,
        state=state,
        score=score,
        best_epoch=best_epoch,
        hyperparameters=hyperparameters,
        seed=trial_seed(study.definition.seed, row.position),
        attempts=len(row.workers),
        workers=tuple(row.workers),
        started_at=_time(row.started_at),
        finished_at=_time(row.finished_at),
        duration_s=row.finished_at - row.started_at if row.finished_at else None,
        curve=curve,
        failure=_failure(outcome),
        notes=_notes(outcome),
    )


def _finals_by_trial(rows: Sequence[Any], *, augmented: bool) -> list[list[Any]]:
    """Return the retraining slots of each configuration, the best configuration first."""
    groups: dict[int, list[Any]] = {}
    for row in rows:
        if row.stage == "retrain" and row.job["augmented"] is augmented:
            groups.setdefault(row.job["trial"], []).append(row)
    return sorted(groups.values(), key=lambda jobs: -jobs[0].job["val_accuracy_mean"])


def _final(rank: int, jobs: Sequence[Any]) -> FinalRecord:
    # One that failed and was asked for again has a later slot.
    runs = tuple(_retrain(row) for row in sorted(jobs, key=lambda row: row.job["repeat"]))
    tested = [run.test_accuracy for run in runs if run.test_accuracy is not None]
    job = jobs[0].job
    return FinalRecord(
        rank=rank,
        trial=job["trial"],
        hyperparameters=job["hyperparameters"],
        val_accuracy_mean=job["val_accuracy_mean"],
        augmented=job["augmented"],
        runs=runs,
        test_accuracy_mean=statistics.fmean(tested) if tested else None,
        test_accuracy_sd=statistics.stdev(tested) if len(tested) > 1 else None,
        bundle=next((run.bundle for run in runs if run.bundle), None),
    )


def _confirmation(row: Any) -> ConfirmationRecord:
    outcome = row.outcome or {}
    return ConfirmationRecord(
        trial=row.job["trial"],
        repeat=row.job["repeat"] + 1,
        seed=row.job["seed"],
        state=_job_state(row),
        score=outcome.get("score"),
        failure=_failure(outcome),
        notes=_notes(outcome),
    )


def _job_state(row: Any) -> JobState:
    state: JobState = (row.outcome or {}).get("state") or ("running" if row.state == "leased" else "waiting")
    return state


def _retrain(row: Any) -> RetrainRecord:
    outcome = row.outcome or {}
    return RetrainRecord(
        seed=row.job["seed"],
        state=_job_state(row),
        test_accuracy=outcome.get("test_accuracy"),
        val_accuracy=outcome.get("val_accuracy"),
        curve=epochs_from(outcome.get("curve", ())),
        bundle=outcome.get("bundle"),
        predictions=outcome.get("predictions"),
        failure=_failure(outcome),
        notes=_notes(outcome),
        took_augmentation=outcome.get("augmented") is not False or not row.job["augmented"],
    )


def _ensemble(rows: Sequence[Any]) -> EnsembleRecord | None:
    done = [row.outcome for row in rows if row.stage == "ensemble" and row.outcome and not row.outcome.get("failure")]
    if not done or not done[-1]["predictions"]:
        # None yet, or the newest was found to be worse than one of its members.
        return None
    newest = done[-1]
    return EnsembleRecord(
        members=newest["members"], test_accuracy=newest["test_accuracy"], predictions=newest["predictions"]
    )


def _newest_ensemble(rows: Sequence[Any]) -> Mapping[str, Any] | None:
    return next((row.outcome for row in reversed(rows) if row.stage == "ensemble" and row.outcome), None)


def _failure(outcome: Mapping[str, Any] | None) -> Failure | None:
    failure = outcome.get("failure") if outcome else None
    return Failure(**failure) if failure else None


def _notes(outcome: Mapping[str, Any] | None) -> tuple[str, ...]:
    return tuple(outcome.get("notes") or ()) if outcome else ()


def _time(seconds: float | None) -> Any:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
