"""Intermediate values: the score of each trial by epoch, with pruned trials marked.

In a study with folds: the mean over the folds so far, by fold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREY, INK, PRUNED_MARKER, Linear, Nines, figure, score_axis, whole_axis
from tuner.report.thinning import drawn
from tuner.report.wording import DIRECTION_WORDS, count
from tuner.studies.records.fidelity import describe_images
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord


@dataclass(frozen=True, kw_only=True)
class EpochSummary:
    """The scores at one epoch."""

    epoch: int
    #: Trials that reported at this epoch, and those of them that were pruned after it.
    n_trials: int
    n_pruned: int
    median: float
    best: float


class _Curve(NamedTuple):
    """One trial's line: its number, and epoch and score of each point."""

    number: int
    points: Sequence[tuple[int, float]]


def epoch_summaries(trials: Sequence[TrialRecord], objective: Objective) -> list[EpochSummary]:
    """Return one row an epoch over the complete and pruned trials."""
    return _summarize([(trial, score_points(trial, objective)) for trial in trials], objective)


def _summarize(
    found: Sequence[tuple[TrialRecord, Sequence[tuple[int, float]]]], objective: Objective
) -> list[EpochSummary]:
    """Return the rows of `epoch_summaries` from the trials with their points."""
    values: dict[int, list[float]] = {}
    pruned: dict[int, int] = {}
    for trial, points in found:
        for epoch, score in points:
            values.setdefault(epoch, []).append(score)
        if points and trial.state == "pruned":
            pruned[points[-1][0]] = pruned.get(points[-1][0], 0) + 1
    # Numbers without exception: faster than by their utility.
    best_of = max if objective.direction == "maximize" else min
    return [
        EpochSummary(
            epoch=epoch,
            n_trials=len(values[epoch]),
            n_pruned=pruned.get(epoch, 0),
            median=median(values[epoch]),
            best=best_of(values[epoch]),
        )
        for epoch in sorted(values)
    ]


def score_points(trial: TrialRecord, objective: Objective) -> list[tuple[int, float]]:
    """Return (epoch, score) of the epochs of a complete or pruned trial; of others, nothing.

    With folds: the number of each, and the mean over the folds so far.
    """
    if trial.state not in ("complete", "pruned"):
        return []
    if trial.folds:
        return list(enumerate(trial.fold_means, start=1))
    return [
        (epoch.epoch, value)
        for epoch in trial.curve
        if (value := objective.of(epoch)) is not None and math.isfinite(value)
    ]


def intermediate_figure(trials: Sequence[TrialRecord], best: TrialRecord | None, objective: Objective) -> go.Figure:
    """Plot the score against the epoch: one line a trial."""
    points = [point for trial in trials for point in score_points(trial, objective)]
    shown = [score for _, score in points]
    axis = score_axis(objective, shown)
    looks = {"pruned": ("pruned", GREY, "dot"), "complete": ("complete", BLUE, "solid")}
    traces = []
    for state, (name, colour, dash) in looks.items():
        chosen = [trial for trial in trials if trial.state == state and trial is not best]
        curves = [_Curve(trial.number, score_points(trial, objective)) for trial in chosen]
        traces.append(_lines(curves, axis, name=name, line={"color": colour, "dash": dash, "width": 1}, opacity=0.45))
        if state == "pruned":
            traces.append(_ends(curves, axis, objective))
    if best is not None:
        name = f"best: trial {best.number}"
        curve = _Curve(best.number, score_points(best, objective))
        traces.append(_lines([curve], axis, name=name, line={"color": INK, "width": 2.5}, opacity=1))
    return figure(
        *traces,
        xaxis=whole_axis(_step(trials), max(epoch for epoch, _ in points)),
        yaxis=axis.axis(objective.label, _without_outliers(shown, objective)),
    )


def _step(trials: Sequence[TrialRecord]) -> str:
    return "fold" if any(trial.folds for trial in trials) else "epoch"


def _lines(curves: Sequence[_Curve], axis: Nines | Linear, *, opacity: float, **style: object) -> go.Scatter:
    # One trace for all lines, with gaps between them: a trace for each of 1,000 trials is slow.
    epochs: list[float] = []
    places: list[float] = []
    numbers: list[int] = []
    for number, points in curves:
        epochs += [epoch for epoch, _ in points] + [np.nan]
        places += [axis.place(score) or 0.0 for _, score in points] + [np.nan]
        numbers += [number] * (len(points) + 1)
    return go.Scatter(
        x=np.array(epochs, dtype=np.float32),
        y=np.array(places, dtype=np.float32),
        customdata=np.array(numbers, dtype=np.int32),
        mode="lines",
        opacity=opacity,
        hovertemplate="trial %{customdata}, %{xaxis.title.text} %{x}<extra></extra>",
        **style,
    )


def _ends(curves: Sequence[_Curve], axis: Nines | Linear, objective: Objective) -> go.Scatter:
    ends = [(number, *points[-1]) for number, points in curves if points]
    return go.Scatter(
        x=[epoch for _, epoch, _ in ends],
        y=[axis.place(score) for _, _, score in ends],
        customdata=[f"trial {number} pruned at {objective.format(score)}" for number, _, score in ends],
        mode="markers",
        showlegend=False,
        marker=PRUNED_MARKER,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _without_outliers(shown: Sequence[float], objective: Objective) -> list[float]:
    # As arrays: a large study has hundreds of thousands of scores, all of which are numbers.
    scores = np.asarray(shown, dtype=np.float64)
    utilities = scores if objective.direction == "maximize" else -scores
    kept: list[float] = scores[utilities >= np.quantile(utilities, 0.05)].tolist()
    return kept


def _tell_hidden(values: Sequence[float], objective: Objective) -> str:
    """Say how many values lie beyond the plot's axis."""
    hidden = score_axis(objective, values).hidden(values, shown=_without_outliers(values, objective))
    beyond = DIRECTION_WORDS[objective.direction].beyond
    return f" {len(hidden):,} of {count(len(values), 'value')} lie {beyond} the plot." if hidden else ""


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show the learning curves that the pruner used; None before the first epoch."""
    objective = study.objective
    found = [(trial, score_points(trial, objective)) for trial in study.trials]
    summaries = _summarize(found, objective)
    if not summaries:
        return None
    n_pruned = sum(summary.n_pruned for summary in summaries)
    first, last = summaries[0], summaries[-1]
    step = _step(study.trials)
    told = "mean over the folds so far" if step == "fold" else objective.label
    finding = (
        f"{count(first.n_trials, 'trial')} reported {step} {first.epoch}, {last.n_trials:,} reached {step} "
        f"{last.epoch}; "
        f"{f'{n_pruned:,} were pruned (dotted lines that end in a cross)' if n_pruned else 'none was pruned'}."
        f"{_tell_hidden([score for _, points in found for _, score in points], objective)}"
    )
    if images := describe_images(study):
        finding += f" {images}"
    rows = [
        (
            str(row.epoch),
            f"{row.n_trials:,}",
            f"{row.n_pruned:,}",
            objective.format(row.median),
            objective.format(row.best),
        )
        for row in summaries
    ]
    return ReportFigure(
        key="intermediate",
        title="Intermediate values",
        finding=finding,
        plots=(
            Plot(
                figure=intermediate_figure(drawn(study.trials, objective), study.best, objective),
                label=f"{told[0].upper()}{told[1:]} by {step}. {finding}",
            ),
        ),
        table=Table(
            headers=(
                step.capitalize(),
                "Trials that reached it",
                "Pruned after it",
                "Median validation",
                "Best validation",
            ),
            rows=rows,
        ),
    )
