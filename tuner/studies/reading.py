"""From the database's rows to records."""

import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import optuna
import sqlalchemy as sa

from tuner.errors import TunerError
from tuner.studies.lifecycle import Study, find_study
from tuner.studies.outages import outlasting
from tuner.studies.records import (
    ConfirmationRecord,
    EnsembleRecord,
    EpochRecord,
    Failure,
    FinalRecord,
    JobState,
    RetrainRecord,
    StudyRecord,
    TrialRecord,
    TrialState,
)
from tuner.studies.schema import slots
from tuner.studies.seeds import trial_seed
from tuner.studies.storage import Storage


def load_study(storage: Storage, name: str) -> StudyRecord:
    """Read everything that a study has done so far.

    Raises:
        StudyNotFoundError: No study has that name.
    """
    study = find_study(storage, name)
    rows = read_slots(storage, study.id)
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
        created_at=_time(study.created_at),
        trials=_read_trials(storage, study, [row for row in rows if row.stage == "search"]),
        finals=tuple(augmented),
        without_augmentation=plain[0] if plain else None,
        ensemble=_ensemble(rows),
        stop_reason=study.stop_reason,
        confirmations=tuple(_confirmation(row) for row in rows if row.stage == "confirm"),
        ensemble_failure=_failure(_newest_ensemble(rows)),
        ensemble_notes=_notes(_newest_ensemble(rows)),
    )


@outlasting
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


def pick_trial(record: StudyRecord, number: int) -> TrialRecord:
    """Return the trial of that number.

    Raises:
        TrialNotFoundError: There is none.
    """
    for trial in record.trials:
        if trial.number == number:
            return trial
    raise TrialNotFoundError(record, number)


@outlasting
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


def _read_trials(storage: Storage, study: Study, rows: Sequence[Any]) -> tuple[TrialRecord, ...]:
    frozen = {trial.number: trial for trial in storage.optuna.get_all_trials(study.optuna_study_id, deepcopy=False)}
    # Slots that nobody began take the numbers that come next.
    upcoming = max(frozen, default=-1) + 1
    records = []
    for row in rows:
        number = row.trial_number
        if number is None:
            number, upcoming = upcoming, upcoming + 1
        records.append(_trial(number, row, frozen.get(number), study))
    return tuple(sorted(records, key=lambda record: record.number))


def _trial(number: int, row: Any, frozen: optuna.trial.FrozenTrial | None, study: Study) -> TrialRecord:
    outcome = row.outcome
    if outcome:
        curve = epochs_from(outcome["curve"])
        score, best_epoch = outcome["score"], outcome["best_epoch"]
        hyperparameters = outcome["hyperparameters"]
        state: TrialState = outcome["state"]
    else:
        reported = frozen.intermediate_values if frozen else {}
        curve = tuple(
            EpochRecord(epoch=epoch, loss=None, accuracy=None, val_loss=None, val_accuracy=value)
            for epoch, value in sorted(reported.items())
        )
        best_epoch = max(reported, key=lambda epoch: (reported[epoch], -epoch), default=None)
        score = None if best_epoch is None else reported[best_epoch]
        hyperparameters = frozen.params if frozen else {}
        state = "running" if row.state == "leased" else "waiting"
    return TrialRecord(
        number=number,
        state=state,
        score=score,
        best_epoch=best_epoch,
        hyperparameters=hyperparameters,
        seed=trial_seed(study.definition.seed, number),
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


def epochs_from(curve: Sequence[Mapping[str, Any]]) -> tuple[EpochRecord, ...]:
    """Return the epochs of an outcome's curve."""
    return tuple(EpochRecord(**epoch) for epoch in curve)


def _failure(outcome: Mapping[str, Any] | None) -> Failure | None:
    failure = outcome.get("failure") if outcome else None
    return Failure(**failure) if failure else None


def _notes(outcome: Mapping[str, Any] | None) -> tuple[str, ...]:
    return tuple(outcome.get("notes") or ()) if outcome else ()


def _time(seconds: float | None) -> Any:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
