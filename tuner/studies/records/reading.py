"""From the database's rows to records."""

import itertools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from hashlib import sha256
from typing import Any

import optuna
import sqlalchemy as sa

from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.studies.database.optuna_tables import CURVES, PARAMS
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study, find_study
from tuner.studies.records.finals import FinalRecord, find_winner
from tuner.studies.records.reading_finals import confirmation_record, ensemble_record, final_records, utc_time
from tuner.studies.records.searched import read_ranges, read_worker_names
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import FoldRecord, TrialRecord
from tuner.studies.repeats import training_seed
from tuner.studies.sections.search import ONE_FACTOR
from tuner.studies.slots.outcomes import Curve, FoldResult, RetrainOutcome, SearchJob, divide_curve
from tuner.studies.slots.slot import ConfirmSlot, EnsembleSlot, Slot, read_slot
from tuner.studies.slots.stored_outcomes import read_curve, read_job, read_outcome, read_scores
from tuner.studies.states import TrialState

#: Slots whose outcomes are in memory at a time.
_ROWS_AT_A_TIME = 250
#: Fields of an epoch that measure it.
_MEASURED = tuple(one.name for one in fields(Epoch) if one.name not in {"epoch", "images", "others"})
#: That Postgres keeps.
_LARGEST_NUMBER = 2**31 - 1
_NOT_READ = SearchJob()


def load_study(storage: Storage, name: str) -> StudyRecord:
    """Read everything that a study has done so far.

    Raises:
        StudyNotFoundError: No study has that name.
    """
    return _read_record(storage, find_study(storage, name), slots.c.curve)


def load_scores(storage: Storage, name: str) -> StudyRecord:
    """Read what a study has done so far; of the trials' epochs the scores alone, as reports draw them.

    The curves of finals are whole.

    Raises:
        StudyNotFoundError: No study has that name.
    """
    study = find_study(storage, name)
    read_trial_curve = partial(read_scores, objective=study.definition.objective)
    return replace(
        _read_record(storage, study, slots.c.curve, read_trial_curve=read_trial_curve),
        ranges=read_ranges(storage, study),
        worker_names=read_worker_names(storage, study),
    )


def load_outline(storage: Storage, name: str) -> StudyRecord:
    """Read what a study has done so far without its curves, which are nine tenths of it: they are empty.

    Raises:
        StudyNotFoundError: No study has that name.
    """
    return _read_record(storage, find_study(storage, name), sa.null())


def load_trial(storage: Storage, name: str, number: int) -> tuple[StudyRecord, TrialRecord]:
    """Read one trial with its whole curve, and its study otherwise as `load_outline` does.

    Raises:
        StudyNotFoundError: No study has that name.
        TrialNotFoundError: It has no trial of that number.
    """
    # No trial has a larger number, and no database is asked for it.
    is_wanted = slots.c.trial_number == min(number, _LARGEST_NUMBER)
    record = _read_record(storage, find_study(storage, name), sa.case((is_wanted, slots.c.curve)))
    for trial in record.trials:
        if trial.number == number:
            return record, trial
    raise TrialNotFoundError(record, number)


@retried
def _read_record(
    storage: Storage,
    study: Study,
    curve: sa.ColumnElement[Any],
    *,
    read_trial_curve: Callable[[Any], Curve] = read_curve,
) -> StudyRecord:
    """Read the study.

    Args:
        storage: The database.
        study: The one to read.
        curve: What is read of each slot as its curve.
        read_trial_curve: Makes epochs of what was read of a trial of the search.
    """
    # Most jobs of trials are not read: there are thousands, and outcomes and Optuna say the same.
    is_told = sa.true() if study.definition.search.sampler == ONE_FACTOR else slots.c.stage != "search"
    job = sa.case((is_told, slots.c.job)).label("job")
    columns = [column for column in slots.c if column not in {slots.c.curve, slots.c.job}]
    query = sa.select(*columns, job, curve.label("curve")).where(slots.c.study_id == study.id).order_by(slots.c.id)
    of_finals: list[Slot] = []
    trials, unbegun = [], []
    with storage.reader.connect() as connection:
        reported = _read_reported(connection, study)
        # In a few rows at a time: a curve of Python objects takes many times the memory of its record.
        for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_A_TIME)):
            if row.stage != "search":
                of_finals.append(read_slot(row, read_curve(row.curve)))
            elif row.trial_number is None:
                unbegun.append(row)
            else:
                epochs = read_trial_curve(row.curve)
                trials.append(_trial(row.trial_number, row, epochs, reported.get(row.trial_id), study))
    taken = {trial.number for trial in trials}
    for row in unbegun:
        # Slots that no worker has begun get their position, unless a person's own trial in Optuna has that number.
        number = next(free for free in itertools.count(row.position) if free not in taken)
        taken.add(number)
        trials.append(_trial(number, row, (), None, study))
    return _record(study, of_finals, sorted(trials, key=lambda trial: trial.number))


def _record(study: Study, of_finals: Sequence[Slot], trials: Sequence[TrialRecord]) -> StudyRecord:
    """Put a study together from the slots of its confirmations and finals, and from its trials."""
    objective = study.definition.objective
    plain = final_records(of_finals, study, augmented=False)
    ensembles = [slot.outcome for slot in of_finals if isinstance(slot, EnsembleSlot) and slot.outcome]
    return StudyRecord(
        name=study.name,
        space=study.definition.space,
        dataset=study.definition.dataset,
        seed=study.definition.seed,
        state=study.state,
        budget=study.budget,
        objective=objective,
        definition=study.definition.model_dump(mode="json"),
        class_names=study.class_names,
        provenance=study.provenance,
        pixels=study.pixels,
        created_at=utc_time(study.created_at),
        trials=tuple(trials),
        finals=tuple(final_records(of_finals, study, augmented=True)),
        without_augmentation=plain[0] if plain else None,
        ensemble=ensemble_record(ensembles),
        stop_reason=study.stop_reason,
        search_ended=study.search_ended,
        finals_ended=study.finals_ended,
        confirmations=tuple(confirmation_record(slot) for slot in of_finals if isinstance(slot, ConfirmSlot)),
        ensemble_failure=ensembles[-1].failure if ensembles else None,
        ensemble_notes=ensembles[-1].notes if ensembles else (),
        others=study.definition.others,
    )


@dataclass(frozen=True, kw_only=True)
class _Reported:
    """What a trial without an outcome has told Optuna so far."""

    #: By epoch.
    scores: dict[int, float] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)


def _read_reported(connection: sa.Connection, study: Study) -> Mapping[int, _Reported]:
    """Return what the study's trials without an outcome have reported, by the ids of Optuna's trials."""
    unfinished = sa.select(slots.c.trial_id).where(slots.c.study_id == study.id, slots.c.outcome.is_(None))
    reported: dict[int, _Reported] = {}
    for row in connection.execute(sa.select(CURVES).where(CURVES.c.trial_id.in_(unfinished))):
        if row.intermediate_value is not None:
            reported.setdefault(row.trial_id, _Reported()).scores[row.step] = row.intermediate_value
    drawn = sa.select(PARAMS).where(PARAMS.c.trial_id.in_(unfinished))
    for row in connection.execute(drawn.order_by(PARAMS.c.param_id)):
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
def read_slots(storage: Storage, study_id: int) -> list[Slot]:
    """Return the study's slots with their curves, in the order in which they were made."""
    query = sa.select(slots).where(slots.c.study_id == study_id).order_by(slots.c.id)
    with storage.reader.connect() as connection:
        return [read_slot(row, read_curve(row.curve)) for row in connection.execute(query)]


@retried
def read_winner(storage: Storage, study: Study) -> FinalRecord | None:
    """Return the winner of a study's finals without its curves; None while there is none. It reads no trial."""
    columns = [column for column in slots.c if column is not slots.c.curve]
    of_finals = sa.select(*columns).where(slots.c.study_id == study.id, slots.c.stage.in_(("confirm", "retrain")))
    with storage.reader.connect() as connection:
        found = [read_slot(row) for row in connection.execute(of_finals.order_by(slots.c.id))]
    return find_winner(final_records(found, study, augmented=True))


@retried
def read_retrainings(storage: Storage, slot_ids: Sequence[int]) -> list[RetrainOutcome]:
    """Return the outcomes of those of these slots, all of retrainings, that have one."""
    ended = sa.select(slots.c.outcome).where(slots.c.id.in_(slot_ids), slots.c.finished_at.is_not(None))
    with storage.reader.connect() as connection:
        return [read_outcome("retrain", stored) for stored in connection.scalars(ended)]


def _trial(number: int, row: Any, curve: Curve, reported: _Reported | None, study: Study) -> TrialRecord:
    """Return the trial of a slot's row: with thousands of trials, a `Slot` of each takes a third of the time."""
    outcome = None if row.outcome is None else read_outcome("search", row.outcome)
    folds: tuple[FoldRecord, ...] = ()
    if outcome:
        score, best_epoch = outcome.score, outcome.best_epoch
        hyperparameters = outcome.hyperparameters
        state: TrialState = outcome.state
        if outcome.folds:
            folds = _folds(outcome.folds, curve)
            curve = _mean_curve([fold.curve for fold in folds])
    elif study.definition.data.folds:
        folds = _reported_folds(reported.scores if reported else {})
        score, best_epoch, curve = (statistics.fmean(fold.score for fold in folds) if folds else None), None, ()
        hyperparameters = reported.hyperparameters if reported else {}
        state = "running" if row.state == "leased" else "waiting"
    else:
        objective = study.definition.objective
        scores = reported.scores if reported else {}
        curve = tuple(objective.only_score(epoch, score) for epoch, score in sorted(scores.items()))
        best = objective.best_epoch(curve)
        best_epoch = best.epoch if best else None
        score = objective.of(best) if best else None
        hyperparameters = reported.hyperparameters if reported else {}
        state = "running" if row.state == "leased" else "waiting"
    started_at, finished_at = row.started_at, row.finished_at
    job = _NOT_READ if row.job is None else read_job("search", row.job)
    return TrialRecord(
        number=number,
        state=state,
        score=score,
        best_epoch=best_epoch,
        hyperparameters=hyperparameters,
        seed=training_seed(job, study_seed=study.definition.seed, position=row.position),
        attempts=len(row.workers),
        workers=tuple(row.workers),
        started_at=utc_time(started_at),
        finished_at=utc_time(finished_at),
        duration_s=finished_at - started_at if finished_at and started_at else None,
        curve=curve,
        failure=outcome.failure if outcome else None,
        notes=outcome.notes if outcome else (),
        folds=folds,
        varied=None if job.repeat is None else job.varied,
        repeat=job.repeat,
        ended=outcome.ended if outcome else None,
        costs=outcome.costs if outcome else {},
        others=outcome.others if outcome else {},
        position=row.position,
    )


def _folds(results: Sequence[FoldResult], curve: Curve) -> tuple[FoldRecord, ...]:
    return tuple(
        FoldRecord(number=number, score=result.score, best_epoch=result.best_epoch, curve=of_fold)
        for number, (result, of_fold) in enumerate(zip(results, divide_curve(results, curve), strict=True), start=1)
    )


def _reported_folds(means: Mapping[int, float]) -> tuple[FoldRecord, ...]:
    """Return the folds of a trial that runs, from the means over the first folds that it has reported."""
    folds: list[FoldRecord] = []
    for number in itertools.takewhile(means.__contains__, itertools.count(1)):
        # Rounded to what is left of a float's digits after the difference.
        score = round(number * means[number] - sum(fold.score for fold in folds), 12)
        folds.append(FoldRecord(number=number, score=score, best_epoch=None, curve=()))
    return tuple(folds)


def _mean_curve(curves: Sequence[Curve]) -> Curve:
    """Return the mean by epoch of each value over the folds that have measured it."""
    means: list[dict[str, Any]] = [
        {name: _mean(getattr(epoch, name) for epoch in epochs if epoch) for name in _MEASURED}
        for epochs in itertools.zip_longest(*curves)
    ]
    return tuple(Epoch(epoch=number, **values) for number, values in enumerate(means, start=1))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
