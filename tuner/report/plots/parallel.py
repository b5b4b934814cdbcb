"""Parallel coordinates: one line a trial from its score through all its hyperparameters, coloured by its rank.

Drawn from plain lines: Plotly's own trace needs WebGL and run-time compiled code, which the page's content security
policy forbids, and prints as a bitmap.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.plots.history import scored
from tuner.report.plots.slices import Slice, in_lines, slices
from tuner.report.theme import BAND2, BAND3, BAND4, BLUE, LINE, SOFT, SURFACE, figure, plain, score_axis
from tuner.report.thinning import drawn
from tuner.report.wording import count, setting
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord

#: More axes are too wide to be followed, even in a plot that scrolls.
_SHOWN = 40
#: Characters in a line of a choice's label between two axes, at least and at most; longer words are cut.
_MARK_WIDTH, _WIDEST_MARK = 13, 28
#: Pixels of a character of a label, and around it; of a character of an axis' name, which stand in two rows.
_MARK_CHARACTER_PX, _MARK_ROOM_PX, _CHARACTER_PX = 6.4, 12, 7.5
#: Room beside the first and the last axis, whose labels stand at its right, in parts of the distance between two.
_LEFT, _RIGHT = 0.4, 0.95
#: Where the line of a trial runs in which the hyperparameter was inactive.
_NOT_ASKED = -0.12
#: (share of the trials down to its end, colour, width), the best first.
_BANDS = ((0.1, BLUE, 2.0), (0.25, BAND2, 1.2), (0.5, BAND3, 1), (1.0, BAND4, 1))


@dataclass(frozen=True, kw_only=True)
class Band:
    """Trials of similar score."""

    name: str
    trials: tuple[TrialRecord, ...]
    colour: str
    width: float


def score_bands(trials: Sequence[TrialRecord], objective: Objective) -> list[Band]:
    """Divide the trials with a score into bands, the best first; each trial is in one."""
    ranked = sorted(scored(trials), key=lambda trial: -objective.utility(trial.score))
    bands = []
    start = 0
    for share, colour, width in _BANDS:
        end = math.ceil(share * len(ranked))
        places = f"places {start + 1:,}\u2013{end:,}" if end - start > 1 else f"place {end:,}"
        bands.append(Band(name=places, trials=tuple(ranked[start:end]), colour=colour, width=width))
        start = end
    return [band for band in bands if band.trials]


def height_on_axis(trial: TrialRecord, one: Slice) -> float:
    """Return where a trial's line crosses a hyperparameter's axis: 0 at the bottom, 1 at the top."""
    value = trial.hyperparameters.get(one.name)
    if value is None:
        return _NOT_ASKED
    if (choices := one.choices) is not None:
        return (choices.index(value) + 0.5) / len(choices)
    if one.is_logarithmic:
        return math.log(value / one.low) / math.log(one.high / one.low)
    return float((value - one.low) / (one.high - one.low))


def parallel_figure(trials: Sequence[TrialRecord], axes: Sequence[Slice], objective: Objective) -> go.Figure:
    """Plot one line a trial, the worst band first so that the best lies on top; the first axis is the score."""
    scores = [trial.score or 0.0 for trial in scored(trials)]
    heights = score_heights(trials, objective)
    lines = [_band_lines(band, axes, heights) for band in reversed(score_bands(trials, objective))]
    names = axis_names(axes)
    width = mark_width(axes)
    marks = [_marks(one, scored(trials), width=width) for one in axes]
    labels = [label for x, of_axis in enumerate(marks, start=1) for label in _axis_labels(x, of_axis)]
    ends = [(0.0, objective.format(min(scores))), (1.0, objective.format(max(scores)))]
    uprights = [
        {
            "type": "line",
            "x0": x,
            "x1": x,
            "y0": _NOT_ASKED,
            "y1": 1,
            "line": {"color": LINE, "width": 1},
            "layer": "below",
        }
        for x in range(len(names))
    ]
    return figure(
        *lines,
        shapes=uprights,
        annotations=_axis_labels(0, ends) + labels,
        xaxis={
            "tickvals": list(range(len(names))),
            "ticktext": names,
            "tickangle": 0,
            # Plotly leaves out a name that reaches beyond the plot.
            "ticklabeloverflow": "allow",
            "range": [-_LEFT, len(axes) + _RIGHT],
            "showline": False,
        },
        yaxis={"visible": False, "range": [_NOT_ASKED - 0.06, 1.06]},
        legend={"traceorder": "reversed"},
    )


def axis_names(axes: Sequence[Slice]) -> list[str]:
    """Return the whole names below the axes, every second one a line lower, so that neighbours do not touch."""
    names = ["score", *(html.escape(one.name, quote=False).replace("%{", "% {") for one in axes)]
    return [f"<br>{name}" if place % 2 else name for place, name in enumerate(names)]


def least_width_px(axes: Sequence[Slice]) -> int:
    """Return the width at which neither choices nor names overlap."""
    longest = max(len(one.name) for one in axes)
    gap_px = max(_MARK_CHARACTER_PX * mark_width(axes) + _MARK_ROOM_PX, _CHARACTER_PX * longest / 2 + 6)
    return round(gap_px * (_LEFT + len(axes) + _RIGHT))


def mark_width(axes: Sequence[Slice]) -> int:
    """Return the characters in a line at which no label of a choice is cut, as far as that is not too wide."""
    names = [setting(choice) for one in axes for choice in one.choices or ()]
    widths = range(_MARK_WIDTH, _WIDEST_MARK)
    return next((width for width in widths if all(_is_whole(name, width) for name in names)), _WIDEST_MARK)


def _is_whole(name: str, width: int) -> bool:
    return "".join(in_lines(name, width)) == name


def score_heights(trials: Sequence[TrialRecord], objective: Objective) -> dict[int, float]:
    """Return by trial number where its line crosses the axis of the scores: 0 is the lowest, 1 the highest.

    The axis of accuracies stretches towards 100 %, as all of them do.
    """
    ranked = scored(trials)
    axis = score_axis(objective, [trial.score or 0.0 for trial in ranked])
    places = {trial.number: axis.place(trial.score) or 0.0 for trial in ranked}
    low, high = min(places.values()), max(places.values())
    return {number: (place - low) / (high - low) if high > low else 1.0 for number, place in places.items()}


def _band_lines(band: Band, axes: Sequence[Slice], heights: Mapping[int, float]) -> go.Scatter:
    places: list[float | None] = []
    numbers: list[int] = []
    for trial in band.trials:
        crossings = [heights[trial.number], *(height_on_axis(trial, one) for one in axes)]
        places += [*(round(height, 3) for height in crossings), None]
        numbers += [trial.number] * (len(axes) + 2)
    return go.Scatter(
        x=[*range(len(axes) + 1), None] * len(band.trials),
        y=places,
        customdata=np.array(numbers, dtype=np.int32),
        mode="lines",
        name=band.name,
        line={"color": band.colour, "width": band.width},
        opacity=0.9,
        hovertemplate="trial %{customdata}<extra></extra>",
    )


def _marks(one: Slice, trials: Sequence[TrialRecord], *, width: int) -> list[tuple[float, str]]:
    if (choices := one.choices) is not None:
        marks = [
            ((index + 0.5) / len(choices), "<br>".join(plain(line) for line in in_lines(setting(choice), width)))
            for index, choice in enumerate(choices)
        ]
    else:
        marks = [(0.0, setting(one.low)), (1.0, setting(one.high))]
    if any(trial.hyperparameters.get(one.name) is None for trial in trials):
        marks.append((_NOT_ASKED, "not used"))
    return marks


def _axis_labels(x: int, marks: Sequence[tuple[float, str]]) -> list[dict[str, object]]:
    look = {
        "showarrow": False,
        "xanchor": "left",
        "xshift": 5,
        "align": "left",
        "font": {"size": 11, "color": SOFT},
        "bgcolor": SURFACE,
    }
    return [{"x": x, "y": y, "text": text, **look} for y, text in marks]


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show which combinations score well; None with fewer than two hyperparameters that varied."""
    objective = study.objective
    axes = slices(study.trials, objective)
    if len(axes) < 2:  # noqa: PLR2004 - one axis is a slice
        return None
    shown = axes[:_SHOWN]
    top = score_bands(study.trials, objective)[0]
    n_scored = len(scored(study.trials))
    who = f"The best {len(top.trials)} of" if len(top.trials) > 1 else "The best of"
    left_out = f" The first {_SHOWN} of {len(axes)} hyperparameters are drawn." if len(axes) > _SHOWN else ""
    finding = (
        f"{who} {count(n_scored, 'trial')} had {_common_ground(top, shown)}. Colours are places by score, "
        f'and the first axis is the score. "Not used" marks trials in which the hyperparameter was inactive.{left_out}'
    )
    rows = [(one.name, _spread(top.trials, one), _spread(one.trials, one)) for one in axes]
    plot = Plot(
        figure=parallel_figure(drawn(study.trials, objective), shown, objective),
        label=f"Parallel coordinates of {count(n_scored, 'trial')}. {finding}",
        height_px=400,
        min_width_px=least_width_px(shown),
    )
    return ReportFigure(
        key="parallel",
        title="Parallel coordinates",
        finding=finding,
        plots=(plot,),
        table=Table(
            headers=("Hyperparameter", f"{who.removeprefix('The ').capitalize()} all", "All trials"), rows=rows
        ),
        wide=True,
    )


def _common_ground(band: Band, axes: Sequence[Slice]) -> str:
    return "; ".join(f"{one.name} {_spread(band.trials, one)}" for one in axes[:4])


def _spread(trials: Sequence[TrialRecord], one: Slice) -> str:
    values = [value for trial in trials if (value := trial.hyperparameters.get(one.name)) is not None]
    if not values:
        return "not used"
    if one.choices is None:
        low, high = setting(min(values)), setting(max(values))
        return low if low == high else f"{low} to {high}"
    return " or ".join(sorted({setting(value) for value in values}, key=lambda text: (len(text), text)))
