"""What a study of one factor at a time found: each value of each factor against the default, seed by seed.

Value and default are trained with the same seeds, so that what a seed does to both cancels in their difference. Its
interval is Student's for the mean of these differences; nothing is corrected for the number of comparisons, which a
reader of many intervals must do, see `expected_by_chance`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, Literal

from tuner.objectives import Objective
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord

#: Of the intervals.
CONFIDENCE = 0.95
#: Scores are measured in single precision: differences that agree to this are equal.
_RESOLUTION = 1e-6

Verdict = Literal["default", "better", "worse", "no difference found", "too few seeds"]


@dataclass(frozen=True, kw_only=True)
class ComparedValue:
    """One value of a factor, or its default, over its repeats."""

    #: None for a default of which no trial has ended.
    value: Any
    is_default: bool
    #: In the order of the repeats, whatever their state.
    trials: tuple[TrialRecord, ...]
    #: By repeat, of complete trials: a pruned one has not shown how good it would have been.
    scores: Mapping[int, float]
    #: Value minus default, by repeat, where both are complete; empty for the default itself.
    differences: Mapping[int, float]
    verdict: Verdict

    @property
    def mean(self) -> float | None:
        """The mean score; None without any."""
        return fmean(self.scores.values()) if self.scores else None

    @property
    def sd(self) -> float | None:
        """The sample standard deviation of the scores; None for fewer than two."""
        return stdev(self.scores.values()) if len(self.scores) > 1 else None

    @property
    def difference(self) -> float | None:
        """The mean difference from the default; None without a pair."""
        return fmean(self.differences.values()) if self.differences else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of the difference; None where it cannot be told from these pairs."""
        return paired_interval(list(self.differences.values()))


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One hyperparameter that a study varies, all others at their defaults."""

    name: str
    #: The default first, then the others in the order of the definition.
    values: tuple[ComparedValue, ...]

    @property
    def default(self) -> ComparedValue:
        """The default."""
        return self.values[0]

    @property
    def in_order(self) -> list[ComparedValue]:
        """The values as people expect them: numbers in their order, others after the default."""
        is_numeric = all(isinstance(one.value, int | float) and not isinstance(one.value, bool) for one in self.values)
        return sorted(self.values, key=lambda one: float(one.value)) if is_numeric else list(self.values)


def compare_factors(study: StudyRecord) -> tuple[Factor, ...]:
    """Return the factors in the order of the definition; none for a study with another sampler."""
    of_default = [trial for trial in study.trials if trial.varied == {}]
    varied: dict[str, dict[str, list[TrialRecord]]] = {}
    for trial in sorted(study.trials, key=lambda one: (one.repeat or 0, one.number)):
        for name, value in (trial.varied or {}).items():
            varied.setdefault(name, {}).setdefault(repr(value), []).append(trial)
    return tuple(
        Factor(
            name=name,
            values=(
                _default(name, of_default),
                *(_compare(name, trials, of_default, study.objective) for trials in values.values()),
            ),
        )
        for name, values in varied.items()
    )


def expected_by_chance(factors: Sequence[Factor]) -> float:
    """Return how many of all intervals are expected to miss zero although no value differs from its default."""
    compared = [value for factor in factors for value in factor.values if value.interval is not None]
    return (1 - CONFIDENCE) * len(compared)


def paired_interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """Return the ends of Student's interval for the mean of paired differences.

    None for fewer than two, and where all are equal and not zero: then their spread is below what was measured.
    """
    if len(differences) < 2:  # noqa: PLR2004 - a spread needs two
        return None
    # Half a second, for which no other study should wait.
    from scipy.special import stdtrit

    mean, sd = fmean(differences), stdev(differences)
    if sd < _RESOLUTION and abs(mean) > _RESOLUTION:
        return None
    quantile = float(stdtrit(len(differences) - 1, (1 + CONFIDENCE) / 2))
    margin = quantile * sd / math.sqrt(len(differences))
    return mean - margin, mean + margin


def _default(name: str, trials: Sequence[TrialRecord]) -> ComparedValue:
    return ComparedValue(
        value=next((trial.hyperparameters[name] for trial in trials if name in trial.hyperparameters), None),
        is_default=True,
        trials=tuple(sorted(trials, key=lambda one: one.repeat or 0)),
        scores=_scores(trials),
        differences={},
        verdict="default",
    )


def _compare(
    name: str, trials: Sequence[TrialRecord], of_default: Sequence[TrialRecord], objective: Objective
) -> ComparedValue:
    scores, baseline = _scores(trials), _scores(of_default)
    differences = {repeat: score - baseline[repeat] for repeat, score in scores.items() if repeat in baseline}
    return ComparedValue(
        value=(trials[0].varied or {})[name],
        is_default=False,
        trials=tuple(trials),
        scores=scores,
        differences=differences,
        verdict=_judge(list(differences.values()), objective),
    )


def _scores(trials: Sequence[TrialRecord]) -> dict[int, float]:
    return {
        trial.repeat: trial.score
        for trial in trials
        if trial.repeat is not None and trial.state == "complete" and trial.score is not None
    }


def _judge(differences: Sequence[float], objective: Objective) -> Verdict:
    interval = paired_interval(differences)
    if interval is None:
        return "too few seeds"
    # Rounding must not move zero out of an interval without width.
    if interval[0] <= _RESOLUTION and interval[1] >= -_RESOLUTION:
        return "no difference found"
    return "better" if objective.is_better(interval[0], 0.0) else "worse"
