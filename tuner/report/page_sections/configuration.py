"""The best configuration: what was searched, what was not, and what it gains over the space's defaults."""

from typing import NamedTuple

from tuner.plain_values import Hyperparameters
from tuner.report.figures import StudyView
from tuner.report.headline import Headline
from tuner.report.markup import Child, Html, definition_list
from tuner.report.templating import fill
from tuner.report.wording import count, percent, points, setting, settings, signed
from tuner.studies.records.finals import FinalRecord
from tuner.studies.records.study import StudyRecord


def render_configuration(view: StudyView, headline: Headline) -> Html | None:
    """Write the searched values as a list, and the others in a line each; None without any."""
    study, values = view.study, headline.hyperparameters
    if not values:
        return None
    searched, unsearched, fixed = divide_values(study, values)
    pairs: list[tuple[str, Child]] = [(name, setting(value)) for name, value in searched.items()]
    return fill(
        "configuration",
        view=view,
        n_chosen=count(len(searched), "value"),
        chosen=definition_list(pairs, class_="settings") if pairs else None,
        fixed=settings(fixed) if fixed else None,
        unsearched=settings(unsearched) if unsearched else None,
        confirmed=_confirmed(headline),
        against_defaults=_against_defaults(study, headline),
    )


class DividedValues(NamedTuple):
    """The values of a configuration by where they come from."""

    searched: Hyperparameters
    #: The space offered no other.
    unsearched: Hyperparameters
    #: The study fixes them.
    fixed: Hyperparameters


def divide_values(study: StudyRecord, values: Hyperparameters) -> DividedValues:
    """Divide a configuration's values."""
    fixed = study.definition.get("fixed") or {}
    held = {name: value for name, value in values.items() if name in fixed}
    free = {name: value for name, value in values.items() if name not in fixed}
    if not study.ranges:
        return DividedValues(free, {}, held)
    drawn = {one.name for one in study.ranges if one.is_open}
    return DividedValues(
        searched={name: value for name, value in free.items() if name in drawn},
        unsearched={name: value for name, value in free.items() if name not in drawn},
        fixed=held,
    )


def _confirmed(headline: Headline) -> str | None:
    if headline.confirmed_score is None:
        return None
    objective = headline.objective
    mean, best = objective.format(headline.confirmed_score), objective.format(headline.best_score)
    found = f"; best score in the search {best}." if headline.best_score is not None else "."
    return f"{objective.title} {mean}, mean of confirmation repeats with new seeds{found}"


def _against_defaults(study: StudyRecord, headline: Headline) -> str | None:
    """Compare the tuned configuration with the space's defaults, or say how to have that."""
    default, objective = study.default_trial, study.objective
    number = headline.final.trial if headline.final else headline.best_trial
    tuned = next((trial for trial in study.trials if trial.number == number), None)
    if any(trial.varied is not None for trial in study.trials):
        # Such a study compares every value with the defaults.
        return None
    if default is None:
        return "The space's defaults were not tried: search.start_with_defaults = true makes the first trial take them."
    if default.score is None or tuned is None or tuned.score is None:
        return None
    if default.number == tuned.number:
        return f"The space's defaults (trial {default.number}) are this configuration: nothing better was found."
    gain = tuned.score - default.score
    unit = " points" if objective.written_as == "percent" else ""
    when = f", pruned after {count(default.n_epochs, 'epoch')}" if default.state == "pruned" else ""
    return (
        f"The space's defaults (trial {default.number}{when}) reached {objective.format(default.score)} in the "
        f"search and this configuration (trial {tuned.number}) {objective.format(tuned.score)}: "
        f"{signed(gain, objective)}{unit}. {_tested(study, headline.final, default.number)}"
    )


def _tested(study: StudyRecord, winner: FinalRecord | None, trial: int) -> str:
    own = next((final for final in study.finals if final.trial == trial), None)
    if own is None or own.test_accuracy_mean is None:
        return "That is one trial of each; a study of the defaults alone (search.trials = 1) would test them too."
    if winner is None or winner.test_accuracy_mean is None or own is winner:
        return f"On the test set the defaults reached {percent(own.test_accuracy_mean)}."
    gain = points(winner.test_accuracy_mean - own.test_accuracy_mean)
    tested = [percent(one.test_accuracy_mean) for one in (own, winner)]
    return f"On the test set the defaults reached {tested[0]} and the winner {tested[1]}: {gain} points."
