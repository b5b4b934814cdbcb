"""Intermediate values: validation accuracy of each trial by epoch, with pruned trials marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import plotly.graph_objects as go

from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREY, INK, Nines, figure, nines, whole_axis
from tuner.report.thinning import drawn
from tuner.report.wording import count, percent
from tuner.studies.records import StudyRecord, TrialRecord


@dataclass(frozen=True, kw_only=True)
class EpochSummary:
    """The validation accuracies at one epoch."""

    epoch: int
    #: Trials that reported at this epoch, and those of them that were pruned after it.
    n_trials: int
    n_pruned: int
    median: float
    best: float


def epoch_summaries(trials: Sequence[TrialRecord]) -> list[EpochSummary]:
    """Return one row an epoch over the complete and pruned trials."""
    values: dict[int, list[float]] = {}
    pruned: dict[int, int] = {}
    for trial in trials:
        points = validation_points(trial)
        for epoch, accuracy in points:
            values.setdefault(epoch, []).append(accuracy)
        if points and trial.state == "pruned":
            pruned[points[-1][0]] = pruned.get(points[-1][0], 0) + 1
    return [
        EpochSummary(
            epoch=epoch,
            n_trials=len(values[epoch]),
            n_pruned=pruned.get(epoch, 0),
            median=median(values[epoch]),
            best=max(values[epoch]),
        )
        for epoch in sorted(values)
    ]


def validation_points(trial: TrialRecord) -> list[tuple[int, float]]:
    """Return (epoch, validation accuracy) of the epochs of a complete or pruned trial; of others, nothing."""
    if trial.state not in ("complete", "pruned"):
        return []
    return [
        (epoch.epoch, value)
        for epoch in trial.curve
        if (value := epoch.val_accuracy) is not None and math.isfinite(value)
    ]


def intermediate_figure(trials: Sequence[TrialRecord], best: TrialRecord | None) -> go.Figure:
    """Plot validation accuracy against the epoch: one line a trial."""
    points = [point for trial in trials for point in validation_points(trial)]
    shown = [accuracy for _, accuracy in points]
    axis = nines(shown)
    looks = {"pruned": ("pruned", GREY, "dot"), "complete": ("complete", BLUE, "solid")}
    traces = []
    for state, (name, colour, dash) in looks.items():
        chosen = [trial for trial in trials if trial.state == state and trial is not best]
        traces.append(_lines(chosen, axis, name=name, line={"color": colour, "dash": dash, "width": 1}, opacity=0.45))
        if state == "pruned":
            traces.append(_ends(chosen, axis))
    if best is not None:
        name = f"best: trial {best.number}"
        traces.append(_lines([best], axis, name=name, line={"color": INK, "width": 2.5}, opacity=1))
    return figure(
        *traces,
        xaxis=whole_axis("epoch", max(epoch for epoch, _ in points)),
        yaxis=axis.axis("validation accuracy", _without_outliers(shown)),
    )


def _lines(trials: Sequence[TrialRecord], axis: Nines, *, opacity: float, **style: object) -> go.Scatter:
    # One trace for all lines, with gaps between them: a trace for each of 1,000 trials is slow.
    epochs: list[float] = []
    places: list[float] = []
    numbers: list[int] = []
    for trial in trials:
        points = validation_points(trial)
        epochs += [epoch for epoch, _ in points] + [np.nan]
        places += [axis.place(accuracy) or 0.0 for _, accuracy in points] + [np.nan]
        numbers += [trial.number] * (len(points) + 1)
    return go.Scatter(
        x=np.array(epochs, dtype=np.float32),
        y=np.array(places, dtype=np.float32),
        customdata=np.array(numbers, dtype=np.int32),
        mode="lines",
        opacity=opacity,
        hovertemplate="trial %{customdata}, epoch %{x}<extra></extra>",
        **style,
    )


def _ends(trials: Sequence[TrialRecord], axis: Nines) -> go.Scatter:
    curves = [(trial.number, validation_points(trial)) for trial in trials]
    ends = [(number, *points[-1]) for number, points in curves if points]
    return go.Scatter(
        x=[epoch for _, epoch, _ in ends],
        y=[axis.place(accuracy) for _, _, accuracy in ends],
        customdata=[f"trial {number} pruned at {percent(accuracy)}" for number, _, accuracy in ends],
        mode="markers",
        showlegend=False,
        marker={"symbol": "x-thin-open", "color": GREY, "size": 6, "line": {"color": GREY}},
        hovertemplate="%{customdata}<extra></extra>",
    )


def _without_outliers(shown: Sequence[float]) -> list[float]:
    low = float(np.quantile(shown, 0.05))
    return [accuracy for accuracy in shown if accuracy >= low]


def _tell_hidden(trials: Sequence[TrialRecord]) -> str:
    """Say how many values lie below the plot's axis."""
    values = [accuracy for trial in trials for _, accuracy in validation_points(trial)]
    hidden = nines(values).hidden(values, shown=_without_outliers(values))
    return f" {len(hidden):,} of {count(len(values), 'value')} lie below the plot." if hidden else ""


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show the learning curves that the pruner used; None before the first epoch."""
    summaries = epoch_summaries(study.trials)
    if not summaries:
        return None
    n_pruned = sum(summary.n_pruned for summary in summaries)
    first, last = summaries[0], summaries[-1]
    finding = (
        f"{count(first.n_trials, 'trial')} reported epoch {first.epoch}, {last.n_trials:,} reached epoch {last.epoch}; "
        f"{f'{n_pruned:,} were pruned (dotted lines that end in a cross)' if n_pruned else 'none was pruned'}."
        f"{_tell_hidden(study.trials)}"
    )
    rows = [
        (str(row.epoch), f"{row.n_trials:,}", f"{row.n_pruned:,}", percent(row.median), percent(row.best))
        for row in summaries
    ]
    return ReportFigure(
        key="intermediate",
        title="Intermediate values",
        finding=finding,
        plots=(
            Plot(
                figure=intermediate_figure(drawn(study.trials), study.best),
                label=f"Validation accuracy by epoch. {finding}",
            ),
        ),
        table=Table(
            headers=("Epoch", "Trials that reached it", "Pruned after it", "Median validation", "Best validation"),
            rows=rows,
        ),
    )
