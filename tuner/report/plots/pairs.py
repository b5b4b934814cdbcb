"""Two hyperparameters at a time, of those that matter most: where the best trials lie, and the scores between them.

As Optuna's `plot_rank` and `plot_contour`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from tuner.report.figures import Plot, ReportFigure
from tuner.report.forest_importance import MIN_TRIALS, Importance
from tuner.report.markup import Table
from tuner.report.plots.history import scored
from tuner.report.plots.parallel import score_bands
from tuner.report.plots.slices import Slice, in_lines, place_on_axis, slices, value_axis
from tuner.report.theme import BLUE, GREY, SURFACE, Axis, figure, plain, score_axis
from tuner.report.thinning import evenly
from tuner.report.wording import listing, setting
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord

#: Hyperparameters that are taken, pairs that are drawn, and points of the grid on which scores are interpolated.
_TAKEN, _MOST, _GRID = 6, 3, 30
#: Trials that are drawn of a large study: a surface over more is slow to compute, and shows no more.
_DRAWN = 400
#: Trials that have both of a pair, for it to be drawn, and places that they need on each axis for a surface.
_FEWEST, _FEWEST_PLACES = 5, 3
#: Characters in a line of a label beside an axis.
_UP_WIDTH = 16


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two hyperparameters and the trials with a score that had both."""

    across: Slice
    up: Slice
    trials: tuple[TrialRecord, ...]

    @property
    def name(self) -> str:
        return f"{self.across.name} and {self.up.name}"


def pairs_of(study: StudyRecord, importance: Importance | None) -> list[Pair]:
    """Return the pairs of the most important hyperparameters; of the first ones where importances are unknown.

    A pair that hardly any trial had, because one of the two is seldom active, gives way to the next.
    """
    trials = _drawn(study)
    found = {one.name: one for one in slices(trials, study.objective)}
    names = [name for name in (importance.shares if importance else found) if name in found][:_TAKEN]
    pairs = [
        Pair(
            across=found[first],
            up=found[second],
            trials=tuple(
                trial
                for trial in trials
                if trial.hyperparameters.get(first) is not None and trial.hyperparameters.get(second) is not None
            ),
        )
        for first, second in sorted(
            itertools.combinations(names, 2), key=lambda pair: (names.index(pair[1]), names.index(pair[0]))
        )
    ]
    return [pair for pair in pairs if len(pair.trials) >= _FEWEST][:_MOST]


def _drawn(study: StudyRecord) -> Sequence[TrialRecord]:
    """Return the trials that are drawn: the best ones, and of a large study about as many others, evenly spaced."""
    known = scored(study.trials)
    if len(known) <= _DRAWN:
        return known
    best = sorted(known, key=lambda trial: -study.objective.utility(trial.score))[: _DRAWN // 2]
    kept = {trial.number for trial in (*best, *evenly(known, _DRAWN // 2))}
    return [trial for trial in known if trial.number in kept]


def report_figures(study: StudyRecord, importance: Importance | None) -> list[ReportFigure]:
    """Show the pairs by the places of their trials, and by the scores between them; none without pairs."""
    pairs = pairs_of(study, importance)
    if not pairs:
        return []
    which = "the hyperparameters of largest importance" if importance else "the first hyperparameters"
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.across.name, pair.up.name)))
    n_scored = len(scored(study.trials))
    part = f" Of {n_scored:,} trials about {_DRAWN} are drawn, half of them the best." if n_scored > _DRAWN else ""
    figures = [_rank_report_figure(pairs, study, f"Pairs of {which}: {listing(names)}.{part}")]
    surfaces = [(pair, surface) for pair in pairs if (surface := interpolate(pair, study)) is not None]
    if surfaces and n_scored >= MIN_TRIALS:
        figures.append(_contour_report_figure(study, surfaces))
    return figures


def rank_figure(pair: Pair, study: StudyRecord) -> go.Figure:
    """Plot the trials by both values, coloured by their places."""
    return figure(
        *[
            go.Scatter(
                x=[_place(trial, pair.across) for trial in band.trials],
                y=[_place(trial, pair.up) for trial in band.trials],
                customdata=[_hover(trial, pair, study) for trial in band.trials],
                mode="markers",
                name=band.name,
                marker={
                    "color": band.colour,
                    "size": 9 if band.colour == BLUE else 7,
                    "line": {"color": GREY, "width": 0.5},
                },
                hovertemplate="%{customdata}<extra></extra>",
            )
            for band in reversed(score_bands(pair.trials, study.objective))
        ],
        legend={"traceorder": "reversed"},
        xaxis=_axis(pair.across),
        yaxis=_axis_up(pair.up),
    )


def interpolate(pair: Pair, study: StudyRecord) -> NDArray[np.float32] | None:
    """Return places of scores on a grid over both axes, linear between trials and NaN outside of them.

    Returns:
        float32, shape (30, 30), by rows from the low end; None where the trials span no area.
    """
    # Imported here: a study without pairs does not need them.
    from scipy.interpolate import griddata
    from scipy.spatial import QhullError

    points = np.array([[_scaled(trial, one) for one in (pair.across, pair.up)] for trial in pair.trials])
    if min(len(np.unique(points[:, side])) for side in (0, 1)) < _FEWEST_PLACES:
        return None
    axis = score_axis(study.objective, [trial.score or 0.0 for trial in pair.trials])
    heights = np.array([axis.place(trial.score) for trial in pair.trials], dtype=np.float64)
    places = [np.linspace(*_ends(points[:, side]), _GRID) for side in (0, 1)]
    grid = tuple(np.meshgrid(*places))
    try:
        return np.asarray(griddata(points, heights, grid, method="linear", rescale=True), dtype=np.float32)
    except QhullError:
        # All trials lie on one line.
        return None


def contour_figure(pair: Pair, surface: NDArray[np.float32], study: StudyRecord) -> go.Figure:
    """Plot the surface as filled contours under its trials."""
    scores = [trial.score or 0.0 for trial in pair.trials]
    ticks = score_axis(study.objective, scores).axis("", scores)
    places = [
        np.linspace(*_ends(np.array([_scaled(trial, one) for trial in pair.trials])), _GRID)
        for one in (pair.across, pair.up)
    ]
    x, y = (
        10**values if one.is_logarithmic else values for values, one in zip(places, (pair.across, pair.up), strict=True)
    )
    low, high = (BLUE, SURFACE) if study.objective.direction == "minimize" else (SURFACE, BLUE)
    bar = {"thickness": 10, "outlinewidth": 0}
    contour = go.Contour(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        z=surface.round(4),
        colorscale=[[0, low], [1, high]],
        contours={"coloring": "fill"},
        line={"width": 0.5, "color": GREY},
        ncontours=10,
        colorbar=bar | {key: ticks[key] for key in ("tickvals", "ticktext") if key in ticks},
        hoverinfo="skip",
    )
    dots = go.Scatter(
        x=[_place(trial, pair.across) for trial in pair.trials],
        y=[_place(trial, pair.up) for trial in pair.trials],
        customdata=[_hover(trial, pair, study) for trial in pair.trials],
        mode="markers",
        showlegend=False,
        marker={"color": SURFACE, "size": 5, "line": {"color": GREY, "width": 1}},
        hovertemplate="%{customdata}<extra></extra>",
    )
    return figure(contour, dots, xaxis=_axis(pair.across), yaxis=_axis_up(pair.up))


def _rank_report_figure(pairs: Sequence[Pair], study: StudyRecord, which: str) -> ReportFigure:
    finding = f"{which} Each point is a trial, coloured by its place among those of its plot."
    plots = [
        Plot(figure=rank_figure(pair, study), label=f"Trials by {pair.name}, coloured by place.", height_px=320)
        for pair in pairs
    ]
    rows = [(pair.name, str(len(pair.trials)), *_best_values(study, pair)) for pair in pairs]
    headers = ("Pair", "Trials", "Best trial", "Its values")
    return ReportFigure(
        key="rank",
        title="Rank by pairs of hyperparameters",
        finding=finding,
        plots=tuple(plots),
        table=Table(headers=headers, rows=rows),
        wide=True,
    )


def _contour_report_figure(study: StudyRecord, surfaces: Sequence[tuple[Pair, NDArray[np.float32]]]) -> ReportFigure:
    finding = (
        f"{study.objective.title} between the trials, linear from each to its neighbours, and blank where there are "
        "none. All other hyperparameters differ from trial to trial too, so steep edges may be theirs."
    )
    plots = [
        Plot(figure=contour_figure(pair, surface, study), label=f"Scores by {pair.name}.", height_px=320)
        for pair, surface in surfaces
    ]
    rows = [(pair.name, f"{len(pair.trials):,}", *_best_values(study, pair)) for pair, _ in surfaces]
    return ReportFigure(
        key="contour",
        title="Contours of the score",
        finding=finding,
        plots=tuple(plots),
        table=Table(headers=("Pair", "Trials", "Best trial", "Its values"), rows=rows),
        wide=True,
    )


def _best_values(study: StudyRecord, pair: Pair) -> tuple[str, str]:
    best = max(pair.trials, key=lambda trial: (study.objective.utility(trial.score), -trial.number))
    values = [f"{one.name} {setting(best.hyperparameters[one.name])}" for one in (pair.across, pair.up)]
    return f"trial {best.number}, {study.objective.format(best.score)}", ", ".join(values)


def _place(trial: TrialRecord, one: Slice) -> float:
    return place_on_axis(trial, one.name, one.choices)


def _scaled(trial: TrialRecord, one: Slice) -> float:
    place = _place(trial, one)
    return float(np.log10(place)) if one.is_logarithmic else place


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _axis(one: Slice) -> Axis:
    return value_axis(one, one.choices) | {"title": {"text": one.name}}


def _axis_up(one: Slice) -> Axis:
    axis = _axis(one)
    if one.choices is None:
        return axis
    labels = ["<br>".join(plain(line) for line in in_lines(setting(choice), _UP_WIDTH)) for choice in one.choices]
    return axis | {"ticktext": labels}


def _hover(trial: TrialRecord, pair: Pair, study: StudyRecord) -> str:
    values = ", ".join(setting(trial.hyperparameters[one.name]) for one in (pair.across, pair.up))
    return f"trial {trial.number}: {values}, {study.objective.format(trial.score)}"
