"""Numbers, times and names as text for people. Every unit follows a no-break space."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuner.objectives import COSTS, NO_VALUE, Objective, write_percent
from tuner.plain_values import Hyperparameters
from tuner.studies.records.finals import EnsembleRecord, FinalRecord
from tuner.studies.records.parts import Part
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord
from tuner.studies.slots.outcomes import Costs, Failure, values_beside
from tuner.studies.states import StudyState

#: State of a study → how people read it.
STATE_WORDS: Mapping[StudyState, str] = {
    "searching": "searching",
    "finals": "retraining the best",
    "done": "done",
    "stopped": "stopped",
}
_KILO = 1000
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
#: From here on one decimal would show 10.0.
_ROUNDED_TO_10_S = 9.95
#: No-break space, en dash and minus sign.
_PLAIN = str.maketrans({"\u00a0": " ", "\u2013": "-", "\u2212": "-"})


@dataclass(frozen=True, kw_only=True)
class DirectionWords:
    """How sentences on a plot tell better from worse scores."""

    #: Where better ones lie, and worse ones.
    better: str
    worse: str
    #: Where those lie that are too bad for the plot.
    beyond: str
    worst: str
    #: What a better score does to the best one so far.
    surpass: str


#: By an objective's direction.
DIRECTION_WORDS = {
    "maximize": DirectionWords(better="up", worse="down", beyond="below", worst="lowest", surpass="exceed"),
    "minimize": DirectionWords(better="down", worse="up", beyond="above", worst="highest", surpass="go below"),
}


def percent(fraction: float | None, *, digits: int = 2) -> str:
    """Write a fraction in [0, 1] as a percentage, a dash for None."""
    return NO_VALUE if fraction is None else write_percent(fraction, digits=digits)


def points(fraction: float) -> str:
    """Write a difference of two fractions in percentage points, with its sign."""
    return f"{100 * fraction:+.2f}".replace("-", "\u2212")


def signed(difference: float | None, objective: Objective) -> str:
    """Write a difference of two scores with its sign, of percentages in points; a dash for None."""
    if difference is None:
        return NO_VALUE
    if objective.written_as == "percent":
        return points(difference)
    return f"{difference:+.3g}".replace("-", "\u2212")


def spread(mean: float, sd: float) -> str:
    """Write a mean with its standard deviation in percent, without a place for a line break."""
    return f"{100 * mean:.2f}\u00a0±\u00a0{100 * sd:.2f}\u00a0%"


def score_spread(mean: float | None, sd: float | None, objective: Objective) -> str:
    """Write a mean score with its standard deviation over folds, where there is one."""
    if mean is None or sd is None:
        return objective.format(mean)
    if objective.written_as == "percent":
        return spread(mean, sd)
    return f"{objective.format(mean)}\u00a0±\u00a0{objective.format(sd, digits=2)}"


def score_title(objective: Objective) -> str:
    """Return what heads a column of scores: what they measure, where they are no accuracies."""
    return "Validation score" if objective.is_accuracy else objective.title


def describe_objectives(study: StudyRecord) -> str:
    """Return what a study optimises, each objective with its better end."""
    return ", ".join(measure.describe() for measure in study.measures)


def write_costs(costs: Costs) -> str:
    """Write everything that is known of what a model needs, in one line; empty where nothing is."""
    return ", ".join(
        f"{COSTS[name].label}\u00a0{COSTS[name].format(value)}" for name, value in costs.items() if name in COSTS
    )


def write_best(score: float | None, objective: Objective, *, front: int | None) -> str:
    """Write the best score of a search and, with several objectives, how many points its front has."""
    best = objective.named(score)
    return f"{best} (front of {front:,})" if front else best


def write_point(trial: TrialRecord, study: StudyRecord) -> str:
    """Write a trial of the front: its number, its score and what stands beside it."""
    beside = values_beside(trial)
    others = ", ".join(other.named(beside.get(other.name)) for other in study.others)
    return f"trial\u00a0{trial.number}: {study.objective.named(trial.score)} with {others}"


def write_others(source: TrialRecord | FinalRecord, study: StudyRecord) -> list[str]:
    """Write what stands beside the score of a trial or final, one text for each of `StudyRecord.others`."""
    beside = values_beside(source)
    return [other.format(beside.get(other.name)) for other in study.others]


def tested_others(study: StudyRecord) -> list[Objective]:
    """Return the objectives beside the leading one of which finals have a value of their own on the test images."""
    return [other for other in study.others if isinstance(other, Objective) and not other.is_accuracy]


def tested_beside(final: FinalRecord, study: StudyRecord) -> dict[str, str]:
    """Write what stands beside a final's accuracy, by headings: its costs, and other objectives on the test images."""
    tested = {other.name: f"test {other.plain_label}" for other in tested_others(study)}
    values = {**values_beside(final), **{name: final.test_others.get(name) for name in tested}}
    return {tested.get(other.name, other.label): other.format(values.get(other.name)) for other in study.others}


def write_tests(final: FinalRecord, study: StudyRecord) -> list[str]:
    """Write the mean of each of `tested_others` on the test images."""
    return [other.format(final.test_others.get(other.name)) for other in tested_others(study)]


def describe_front(study: StudyRecord) -> str | None:
    """Return a sentence on the Pareto front, its ends and its knee; None in a study of one objective, or before it."""
    front = study.front
    if not front:
        return None
    if len(front) == 1:
        return f"Pareto front: one trial is the best in every objective, {write_point(front[0], study)}."
    knee = study.knee
    told = f"; its knee is {write_point(knee, study)}" if knee else ""
    ends = f"from {write_point(front[0], study)} to {write_point(front[-1], study)}"
    return f"Pareto front of {count(len(front), 'trial')}: {ends}{told}."


def tested_accuracy(final: FinalRecord) -> str:
    """Write a final's test accuracy, as mean ± standard deviation where several of its models were tested."""
    mean, sd = final.test_accuracy_mean, final.test_accuracy_sd
    return percent(mean) if mean is None or sd is None else spread(mean, sd)


def test_score(tested: FinalRecord | EnsembleRecord, objective: Objective) -> str | None:
    """Write what the objective is on the test images, with its name; None where it is the accuracy or unknown."""
    if isinstance(tested, EnsembleRecord):
        mean, sd = tested.test_score, None
    else:
        mean, sd = tested.test_score_mean, tested.test_score_sd
    return None if mean is None else f"test {objective.plain_label} {score_spread(mean, sd, objective)}"


def interval(low: float, high: float) -> str:
    """Write both ends in percent."""
    return f"{100 * low:.2f}\u2013{100 * high:.2f}\u00a0%"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: `1 trial`, `2 trials`."""
    return f"{number:,}\u00a0{noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float | None) -> str:
    """Write a duration as `0.4 s`, `42 s`, `3 min 05 s`, `2 h 07 min` or `3 d 04 h`, a dash for None."""
    if seconds is None:
        return NO_VALUE
    if seconds < _ROUNDED_TO_10_S:
        return f"{seconds:.1f}\u00a0s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole}\u00a0s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}\u00a0min {whole % _MINUTE_S:02}\u00a0s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S}\u00a0h {whole % _HOUR_S // _MINUTE_S:02}\u00a0min"
    return f"{whole // _DAY_S}\u00a0d {whole % _DAY_S // _HOUR_S:02}\u00a0h"


def duration_of_one(seconds: float) -> str:
    """Write the time of something short: `3.2 ms`, or as `duration` does."""
    return f"{1000 * seconds:.3g}\u00a0ms" if seconds < 1 else duration(seconds)


def file_size(n_bytes: int) -> str:
    """Write the size of a file in decimal units, as operating systems do: `312 kB`, `4.1 MB`."""
    size, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB"):
        if size < _KILO:
            break
        size, unit = size / _KILO, larger
    return f"{size:.{0 if unit == 'B' or size >= _KILO / 10 else 1}f}\u00a0{unit}"


def moment(time: datetime | None) -> str:
    """Write a UTC time to the second."""
    return NO_VALUE if time is None else f"{time:%Y-%m-%d %H:%M:%S}\u00a0UTC"


def setting(value: Any) -> str:
    """Write one hyperparameter's value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "none" if value is None else str(value)


def settings(hyperparameters: Hyperparameters) -> str:
    """Write all hyperparameters in one line."""
    return ", ".join(f"{name} {setting(value)}" for name, value in hyperparameters.items()) or "none"


def describe_failure(part: Part, failure: Failure) -> str:
    """Say what failed and why, as `tuner study show` does."""
    name = str(part)
    return f"{name[0].upper()}{name[1:]} failed ({failure.kind.replace('_', ' ')}): {failure.message}"


def listing(words: Iterable[str]) -> str:
    """Join words as a sentence does: `a, b and c`."""
    known: Sequence[str] = list(words)
    return " and ".join([", ".join(known[:-1]), known[-1]]) if len(known) > 1 else "".join(known)


def shortened(text: str, *, width: int = 28) -> str:
    """Replace the middle of a long text by an ellipsis; its ends usually identify it."""
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[:half]}…{text[-half:]}"


def plain(text: str) -> str:
    """Return the text with the spaces and dashes that terminals, `grep` and ASCII locales have."""
    return text.translate(_PLAIN)
