"""From the slots of a study's finals to records: confirmations, retrained models by configuration, and the ensemble."""

import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import overload

from tuner.objectives import COSTS
from tuner.studies.lifecycle import Study
from tuner.studies.ranking import confirmed_beside, mean_scores, rank_finals
from tuner.studies.records.finals import ConfirmationRecord, EnsembleRecord, FinalRecord, RetrainRecord
from tuner.studies.slots.outcomes import EnsembleOutcome, Scores, mean_by_name
from tuner.studies.slots.slot import ConfirmSlot, RetrainSlot, Slot
from tuner.studies.states import JobState


def final_records(of_finals: Sequence[Slot], study: Study, *, augmented: bool) -> list[FinalRecord]:
    """Return the retrained configurations, the best first."""
    measures = study.definition.objective, study.definition.others
    changes_images = augmented and not study.definition.finals.augmentation.is_off
    groups: dict[int, list[RetrainSlot]] = {}
    for slot in of_finals:
        if isinstance(slot, RetrainSlot) and slot.job.augmented is augmented:
            groups.setdefault(slot.job.trial, []).append(slot)
    ranks, beside = rank_finals(of_finals, *measures), confirmed_beside(of_finals)
    return [
        # What is retrained for comparison alone is the best.
        _final(groups[trial], rank=ranks.get(trial, 1), mean_score=mean, beside=beside[trial], augmented=changes_images)
        for trial, mean in mean_scores(of_finals, *measures).items()
        if trial in groups
    ]


def _final(
    of_trial: Iterable[RetrainSlot], *, rank: int, mean_score: float, beside: Scores, augmented: bool
) -> FinalRecord:
    # One that failed and was asked for again has a later slot.
    in_order = sorted(of_trial, key=lambda slot: slot.job.repeat)
    runs = tuple(_retrain(slot) for slot in in_order if not slot.job.for_curve)
    curve_runs = [_retrain(slot) for slot in in_order if slot.job.for_curve]
    tested = [run.test_accuracy for run in runs if run.test_accuracy is not None]
    scored = [run.test_score for run in runs if run.test_score is not None]
    job = in_order[0].job
    return FinalRecord(
        rank=rank,
        trial=job.trial,
        hyperparameters=job.hyperparameters,
        mean_score=mean_score,
        augmented=augmented,
        runs=runs,
        test_accuracy_mean=statistics.fmean(tested) if tested else None,
        test_accuracy_sd=statistics.stdev(tested) if len(tested) > 1 else None,
        test_score_mean=statistics.fmean(scored) if scored else None,
        test_score_sd=statistics.stdev(scored) if len(scored) > 1 else None,
        bundle=next((run.bundle for run in runs if run.bundle), None),
        curve_run=curve_runs[-1] if curve_runs else None,
        # Of models that have one net, and differ in their latency.
        costs=mean_by_name([run.costs for run in runs]) or job.costs,
        others={name: value for name, value in beside.items() if name not in COSTS},
        test_others=mean_by_name([run.test_others for run in runs]),
    )


def confirmation_record(slot: ConfirmSlot) -> ConfirmationRecord:
    """Return a confirmation as far as it has come."""
    outcome = slot.outcome
    return ConfirmationRecord(
        trial=slot.job.trial,
        repeat=slot.job.repeat + 1,
        seed=slot.job.seed,
        state=_job_state(slot),
        score=outcome.score if outcome else None,
        failure=outcome.failure if outcome else None,
        notes=outcome.notes if outcome else (),
        n_epochs=slot.epoch,
        started_at=utc_time(slot.started_at),
        finished_at=utc_time(slot.finished_at),
    )


def _job_state(slot: ConfirmSlot | RetrainSlot) -> JobState:
    if slot.outcome:
        return slot.outcome.state
    return "running" if slot.state == "leased" else "waiting"


def _retrain(slot: RetrainSlot) -> RetrainRecord:
    outcome = slot.outcome
    return RetrainRecord(
        seed=slot.job.seed,
        state=_job_state(slot),
        test_accuracy=outcome.test_accuracy if outcome else None,
        test_score=outcome.test_score if outcome else None,
        val_accuracy=outcome.val_accuracy if outcome else None,
        curve=outcome.curve if outcome else (),
        bundle=outcome.bundle if outcome else None,
        predictions=outcome.predictions if outcome else None,
        failure=outcome.failure if outcome else None,
        notes=outcome.notes if outcome else (),
        pictures=outcome.pictures if outcome else None,
        prediction_s=outcome.prediction_s if outcome else None,
        costs=outcome.costs if outcome else {},
        test_others=outcome.test_others if outcome else {},
        started_at=utc_time(slot.started_at),
        finished_at=utc_time(slot.finished_at),
        took_augmentation=not slot.job.augmented or outcome is None or outcome.augmented is not False,
    )


def ensemble_record(outcomes: Sequence[EnsembleOutcome]) -> EnsembleRecord | None:
    """Return the newest ensemble that did not fail; None where it was found to be worse than one of its members."""
    newest = next((outcome for outcome in reversed(outcomes) if outcome.failure is None), None)
    if newest is None or newest.members is None or newest.test_accuracy is None or newest.predictions is None:
        return None
    return EnsembleRecord(
        members=newest.members,
        test_accuracy=newest.test_accuracy,
        test_score=newest.test_score,
        test_others=newest.test_others,
        predictions=newest.predictions,
        bundle=newest.bundle,
    )


@overload
def utc_time(seconds: float) -> datetime: ...
@overload
def utc_time(seconds: float | None) -> datetime | None: ...
def utc_time(seconds: float | None) -> datetime | None:
    """Return a time of the database's clock; None for None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
