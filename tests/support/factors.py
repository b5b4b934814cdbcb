"""Studies of one factor at a time, made up."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from support.report_sample import searching_study
from tuner.epochs import Epoch
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord


def compared_trial(
    number: int, values: Mapping[str, Any], varied: Mapping[str, Any], *, repeat: int, score: float | None
) -> TrialRecord:
    """Return a complete trial of two epochs, or one that waits where it has no score."""
    curve = [] if score is None else [(1, score - 0.05), (2, score)]
    return TrialRecord(
        number=number,
        state="waiting" if score is None else "complete",
        score=score,
        best_epoch=None if score is None else 2,
        hyperparameters={**values, **varied} if score is not None else {},
        seed=100 + repeat,
        attempts=1,
        workers=("w",),
        started_at=None,
        finished_at=None,
        duration_s=None,
        curve=tuple(
            Epoch(epoch=epoch, loss=0.1, accuracy=0.9, val_loss=value, val_accuracy=value) for epoch, value in curve
        ),
        varied=varied,
        repeat=repeat,
    )


def compared_study(
    factors: Mapping[str, Mapping[Any, Sequence[float]]],
    *,
    default: Mapping[str, Any],
    default_scores: Sequence[float],
) -> StudyRecord:
    """Return a study with a score for each seed of the default and of each factor's values."""
    configurations: list[tuple[dict[str, Any], Sequence[float]]] = [({}, default_scores)]
    configurations += [({name: value}, scores) for name, values in factors.items() for value, scores in values.items()]
    trials: list[TrialRecord] = []
    for repeat in range(max(len(scores) for _, scores in configurations)):
        for varied, scores in configurations:
            if repeat < len(scores):
                trials.append(compared_trial(len(trials), default, varied, repeat=repeat, score=scores[repeat]))
    return dataclasses.replace(searching_study(n_trials=4), trials=tuple(trials), state="done", budget=len(trials))
