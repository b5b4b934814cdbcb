"""What was searched: the range or choices of each hyperparameter, and what the trials tried of it."""

from collections.abc import Sequence
from typing import Any

from tuner.report.figures import StudyView
from tuner.report.forest_importance import is_numeric
from tuner.report.markup import Html, Table, element, render_table
from tuner.report.wording import setting
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import SearchedRange

_MOST_NAMED = 12


def render_ranges(view: StudyView) -> Html | None:
    """Write the table of the ranges; None where they were not read or nothing was drawn."""
    study = view.study
    ranges = [one for one in study.ranges if one.is_open]
    if not ranges:
        return None
    best = study.best.hyperparameters if study.best else {}
    rows = [(one.name, write_range(one), _tried(study, one.name), _value(best, one.name)) for one in ranges]
    headers = ("Hyperparameter", "Searched", "Tried", "Best trial")
    return element(
        "details",
        element("summary", f"The ranges searched ({len(ranges)})"),
        render_table(Table(headers=headers, rows=rows), label=view.unique("The ranges searched")),
    )


def write_range(one: SearchedRange) -> str:
    """Write a range or choices in words: `0.0001 to 0.1, logarithmic`, `relu, elu`."""
    if one.choices is not None:
        return ", ".join(setting(choice) for choice in one.choices)
    how = ", logarithmic" if one.is_logarithmic else ""
    is_whole = isinstance(one.low, int)
    step = f", step {setting(one.step)}" if one.step and not (is_whole and one.step == 1) else ""
    return f"{setting(one.low)} to {setting(one.high)}{step}{how}"


def _tried(study: StudyRecord, name: str) -> str:
    values = list({repr(value): value for value in _values(study, name)}.values())
    if not values:
        return "not used"
    if is_numeric(values):
        low, high = setting(min(values)), setting(max(values))
        return low if low == high else f"{low} to {high}"
    names = sorted(setting(value) for value in values)
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} values"


def _values(study: StudyRecord, name: str) -> Sequence[Any]:
    found = (trial.hyperparameters.get(name) for trial in study.trials)
    return [value for value in found if value is not None]


def _value(values: Any, name: str) -> str:
    return "not used" if values.get(name) is None else setting(values[name])
