"""The trials of a study in an order that a person asks for."""

import math
from collections.abc import Sequence
from typing import Literal

from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord

TrialOrder = Literal["number", "score", "duration"]


def list_trials(record: StudyRecord, *, states: Sequence[str] = (), order: TrialOrder = "number") -> list[TrialRecord]:
    """Return the trials in these states, or all of them.

    By score the best come first, by duration the longest; trials without any come last, and equals by number.
    """
    trials = sorted(record.trials, key=lambda trial: trial.number)
    if states:
        trials = [trial for trial in trials if trial.state in states]
    if order == "score":
        trials.sort(key=lambda trial: record.objective.utility(trial.score), reverse=True)
    elif order == "duration":
        trials.sort(key=lambda trial: -math.inf if trial.duration_s is None else trial.duration_s, reverse=True)
    return trials
