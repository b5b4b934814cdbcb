"""Slices: the score against one hyperparameter at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import Any

import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.plain_values import Hyperparameters
from tuner.report.figures import Plot, ReportFigure
from tuner.report.forest_importance import is_numeric, varied_hyperparameters
from tuner.report.markup import Table
from tuner.report.plots.history import mark_beyond, scored
from tuner.report.theme import BLUE, PRUNED_MARKER, Axis, figure, log_axis, plain, score_axis
from tuner.report.thinning import drawn
from tuner.report.wording import DIRECTION_WORDS, count, setting
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord

_SHOWN = 24
#: Characters that fit below one plot in a line, and the lines that there may be.
_LABELS_WIDTH, _LINES = 26, 3
#: Room beside the first and the last choice, in parts of the distance between two; characters in the plot's margin.
_EDGE, _MARGIN = 0.6, 1
#: Characters of a plot's title in a line.
_TITLE_WIDTH = 30
#: Numbers that span this factor get a logarithmic axis when their median lies this near the low end.
_LOG_SPAN, _LOG_CROWDING = 50, 0.15
#: Numbers below one plot on a logarithmic axis: more would be slanted.
_MOST_LABELS = 4
#: Up to this many distinct numbers (batch sizes, layers) count as choices.
_FEW = 6


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One hyperparameter's values and the trials that had them."""

    name: str
    trials: tuple[TrialRecord, ...]
    objective: Objective

    @cached_property
    def values(self) -> list[Any]:
        return [trial.hyperparameters[self.name] for trial in self.trials]

    @cached_property
    def choices(self) -> list[Any] | None:
        """The distinct values in order, when they are names or few numbers; None for a continuous range."""
        distinct = {repr(value): value for value in self.values}.values()
        if is_numeric(list(distinct)):
            return sorted(distinct) if len(distinct) <= _FEW else None
        return sorted(distinct, key=str)

    @cached_property
    def low(self) -> float:
        """The smallest of numeric values."""
        return float(min(self.values))

    @cached_property
    def high(self) -> float:
        """The largest of numeric values."""
        return float(max(self.values))

    @cached_property
    def is_logarithmic(self) -> bool:
        """True for positive numbers that crowd at the low end of their range, as log-uniform draws do."""
        if self.choices is not None or self.low <= 0 or self.high / self.low < _LOG_SPAN:
            return False
        return bool((median(self.values) - self.low) / (self.high - self.low) < _LOG_CROWDING)

    @cached_property
    def scores(self) -> list[float]:
        return [trial.score or 0.0 for trial in self.trials]

    @cached_property
    def scores_shown(self) -> list[float]:
        """The scores that the axis covers: all but the worst fifth."""
        return sorted(self.scores, key=self.objective.utility)[len(self.scores) // 5 :]


def slices(trials: Sequence[TrialRecord], objective: Objective) -> list[Slice]:
    """Return one slice for each hyperparameter that varied, over the trials that have it and a score."""
    chosen = scored(trials)
    return [
        Slice(
            name=name,
            trials=tuple(trial for trial in chosen if trial.hyperparameters.get(name) is not None),
            objective=objective,
        )
        for name in varied_hyperparameters(chosen)
    ]


def _thinned(one: Slice) -> Slice:
    return replace(one, trials=tuple(drawn(one.trials, one.objective)))


def slice_figure(one: Slice) -> go.Figure:
    """Plot the score against the values: choices side by side, ranges along an axis."""
    axis = score_axis(one.objective, one.scores)
    choices = one.choices
    settings_y = axis.axis("", one.scores_shown)
    beyond = set(axis.hidden(one.scores, shown=one.scores_shown))
    complete = {"color": BLUE, "size": 5, "opacity": 0.7}
    traces = []
    for state, marker in (("pruned", PRUNED_MARKER), ("complete", complete)):
        chosen = [trial for trial in one.trials if trial.state == state and trial.score not in beyond]
        traces.append(
            go.Scatter(
                x=[place_on_axis(trial, one.name, choices) for trial in chosen],
                y=[axis.place(trial.score) for trial in chosen],
                customdata=[_hover(trial, one) for trial in chosen],
                mode="markers",
                showlegend=False,
                marker=marker,
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    if outside := [trial for trial in one.trials if trial.score in beyond]:
        places = [place_on_axis(trial, one.name, choices) for trial in outside]
        traces.append(mark_beyond(places, outside, settings_y, one.objective))
    return figure(
        *traces,
        showlegend=False,
        xaxis=value_axis(one, choices) | {"tickfont": {"size": 11}},
        yaxis=settings_y,
        margin={"l": 8, "r": 8, "t": 48 if len(one.name) > _TITLE_WIDTH else 34, "b": 8},
        title={
            "text": "<br>".join(plain(line) for line in in_lines(one.name, _TITLE_WIDTH)),
            "font": {"size": 14},
            "x": 0,
            "xanchor": "left",
            "y": 0.97,
        },
    )


def place_on_axis(trial: TrialRecord, name: str, choices: list[Any] | None) -> float:
    """Return where a trial lies on a hyperparameter's axis: its value, or a place beside its choice's number."""
    value = trial.hyperparameters[name]
    if choices is None:
        return float(value)
    # Spread by trial number, so that points of equal value do not overlap and the page is reproducible.
    return choices.index(value) + 0.5 * ((trial.number * 0.618034) % 1 - 0.5)


def _hover(trial: TrialRecord, one: Slice) -> str:
    value = plain(setting(trial.hyperparameters[one.name]))
    return f"trial {trial.number}: {value}, {one.objective.format(trial.score)}"


def value_axis(one: Slice, choices: list[Any] | None) -> Axis:
    """Return Plotly's settings for a hyperparameter's axis: names at the numbers of choices, or a range."""
    if choices is not None:
        return {
            "tickvals": list(range(len(choices))),
            "ticktext": _labels(choices),
            "tickangle": 0,
            # Plotly leaves out a name that reaches beyond the plot.
            "ticklabeloverflow": "allow",
            "range": [-_EDGE, len(choices) - 1 + _EDGE],
        }
    if one.is_logarithmic:
        return log_axis("", one.values, most=_MOST_LABELS)
    return {"nticks": 5}


def _labels(choices: Sequence[Any]) -> list[str]:
    """Return labels that fit below one plot without overlap; the points' hover texts have the whole values."""
    names = [setting(choice) for choice in choices]
    if sum(map(len, names)) + 2 * len(names) <= _LABELS_WIDTH:
        return [plain(name) for name in names]
    if is_numeric(choices):
        return [names[0], *[""] * (len(names) - 2), names[-1]]
    # Where a word is wider than its place, every second label stands below its neighbours and takes their place too.
    longest = max(len(word) for name in names for word in _words(name))
    n_rows = 1 if longest <= _label_width(names, n_rows=1) else 2
    width = _label_width(names, n_rows=n_rows)
    lines = [in_lines(name, width) for name in names[:-1]]
    lines.append(in_lines(names[-1], min(width, _width_at_the_edge(names))))
    above = max(map(len, lines[::2])) if n_rows > 1 else 0
    return ["<br>" * (above * (position % n_rows)) + "<br>".join(map(plain, one)) for position, one in enumerate(lines)]


def _label_width(names: Sequence[str], *, n_rows: int) -> int:
    """Return how many characters of a label fit into a line where this many rows of labels are below each other."""
    return max(5, n_rows * _LABELS_WIDTH // len(names) - 1)


def _width_at_the_edge(names: Sequence[str]) -> int:
    """Return how many characters of the last label fit into a line: what is beyond the plot's margin is cut off."""
    return max(5, round(2 * (_EDGE * _LABELS_WIDTH / (len(names) - 1 + 2 * _EDGE) + _MARGIN)))


def in_lines(name: str, width: int) -> list[str]:
    """Break a name after its underscores; what does not fit into the lines or their width is cut."""
    lines = [""]
    for word in _words(name):
        if lines[-1] and len(lines[-1] + word) > width:
            lines.append("")
        lines[-1] += word
    cut = [line if len(line) <= width + 1 else f"{line[:width]}\u2026" for line in lines[:_LINES]]
    return cut if len(lines) <= _LINES else [*cut[:-1], f"{cut[-1].rstrip(chr(0x2026))[:width]}\u2026"]


def _words(name: str) -> list[str]:
    return re.findall("[^_]*_|[^_]+", name)


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show the score against each hyperparameter; None when none varied."""
    objective = study.objective
    found = slices(study.trials, objective)
    if not found:
        return None
    shown = found[:_SHOWN]
    left_out = f" The first {_SHOWN} of {len(found)} are drawn." if len(found) > _SHOWN else ""
    values = study.best.hyperparameters if study.best else {}
    had = ", ".join(f"{one.name} {setting(values[one.name])}" for one in shown if values.get(one.name) is not None)
    better = DIRECTION_WORDS[objective.direction].better
    finding = (
        f"The best trial had {had or 'none of these'}. Each point is a trial, a cross a pruned one; {better} is better."
        f"{left_out}{_tell_hidden(shown, objective)}"
    )
    rows = [
        (one.name, _value_of(values, one.name), objective.format(_median(one)), str(len(one.trials)), _range(one))
        for one in found
    ]
    headers = ("Hyperparameter", "Value of the best trial", "Median validation score", "Trials", "Values tried")
    plots = [
        Plot(figure=slice_figure(_thinned(one)), label=f"Validation score against {one.name}.", height_px=210)
        for one in shown
    ]
    return ReportFigure(
        key="slices",
        title="Score by hyperparameter",
        finding=finding,
        plots=tuple(plots),
        table=Table(headers=headers, rows=rows),
        wide=True,
    )


def _value_of(values: Hyperparameters, name: str) -> str:
    return "not used" if values.get(name) is None else setting(values[name])


def _tell_hidden(shown: Sequence[Slice], objective: Objective) -> str:
    most = max(len(score_axis(objective, one.scores).hidden(one.scores, shown=one.scores_shown)) for one in shown)
    words = DIRECTION_WORDS[objective.direction]
    return (
        f" The {words.worst} scores, up to {count(most, 'trial')} in each plot, lie {words.beyond} it: the triangles "
        "at its edge."
        if most
        else ""
    )


def _median(one: Slice) -> float:
    return median(one.scores)


def _range(one: Slice) -> str:
    choices = one.choices
    if choices is None:
        return f"{setting(one.low)} to {setting(one.high)}"
    return ", ".join(setting(choice) for choice in choices)
