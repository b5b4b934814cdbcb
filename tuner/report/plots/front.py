"""The Pareto front of a search with several objectives: every trial's score against what its model costs."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tuner.objectives import Cost
from tuner.report.figures import Plot, ReportFigure
from tuner.report.forest_importance import varied_hyperparameters
from tuner.report.markup import Table
from tuner.report.plots.history import scored
from tuner.report.theme import BLUE, GREY, INK, ORANGE, Axis, figure, log_axis, plain, score_axis
from tuner.report.thinning import drawn
from tuner.report.wording import count, describe_front, score_title, setting, settings
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord

#: Hyperparameters in the text at a mark.
_MOST_HOVERED = 12


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show the front among all trials, one plot for each cost; None in a study of one objective, and before a score."""
    front = study.front
    if not front:
        return None
    knee = study.knee
    finding = " ".join(filter(None, [describe_front(study), _tell_others(study, front)]))
    plots = [
        Plot(
            figure=front_figure(study, cost, front=front, knee=knee),
            label=f"{study.objective.title} against {cost.label}. {finding}",
            height_px=420,
        )
        for cost in study.costs
    ]
    table = _table(study, front, knee)
    return ReportFigure(key="front", title="Pareto front", finding=finding, plots=tuple(plots), table=table, wide=True)


def front_figure(
    study: StudyRecord, cost: Cost, *, front: Sequence[TrialRecord], knee: TrialRecord | None
) -> go.Figure:
    """Plot the score of each trial against one cost: the front, its knee as a star, and the other trials."""
    objective = study.objective
    on_front = {trial.number for trial in front}
    names = varied_hyperparameters([trial for trial in study.trials if trial.hyperparameters])
    measured = [trial for trial in scored(drawn(study.trials, objective)) if cost.name in trial.costs]
    others = [trial for trial in measured if trial.number not in on_front]
    scores = [trial.score or 0.0 for trial in [*front, *others]]
    axis = score_axis(objective, scores)

    def marks(trials: Sequence[TrialRecord], name: str, **look: Any) -> go.Scatter:
        return go.Scatter(
            x=[place_cost(cost, trial.costs[cost.name]) for trial in trials],
            y=[axis.place(trial.score) for trial in trials],
            customdata=[_hover(study, trial, names) for trial in trials],
            name=name,
            hovertemplate="%{customdata}<extra></extra>",
            **look,
        )

    # With one cost what lies below the line is dominated; with several it depends on the others.
    line = {"mode": "lines+markers", "line": {"shape": "hv", "color": BLUE, "width": 1.5}}
    traces = [
        marks(others, "other trials", mode="markers", marker={"color": GREY, "size": 6, "opacity": 0.7}),
        marks(
            sorted(front, key=lambda trial: trial.costs[cost.name]),
            "Pareto front",
            marker={"color": BLUE, "size": 9},
            **(line if len(study.costs) == 1 else {"mode": "markers"}),
        ),
    ]
    if knee is not None:
        star = {"symbol": "star", "color": ORANGE, "size": 16, "line": {"color": INK, "width": 1}}
        traces.append(marks([knee], "knee", mode="markers", marker=star))
    return figure(
        *traces,
        xaxis=cost_axis(cost, [trial.costs[cost.name] for trial in [*front, *others]]),
        yaxis=axis.axis(plain(objective.label), scores),
    )


def place_cost(cost: Cost, value: float) -> float:
    """Return a cost in its unit."""
    return value * cost.scale


def cost_axis(cost: Cost, values: Sequence[float]) -> Axis:
    """Return Plotly's settings for a logarithmic axis of a cost in its unit."""
    title = f"{cost.label} ({cost.unit})" if cost.unit else cost.label
    return log_axis(title, [place_cost(cost, value) for value in values])


def _hover(study: StudyRecord, trial: TrialRecord, names: Sequence[str]) -> str:
    costs = (f"{cost.label} {cost.format(trial.costs.get(cost.name))}" for cost in study.costs)
    drawn_values = [name for name in names if name in trial.hyperparameters]
    lines = [
        f"trial {trial.number}: {study.objective.format(trial.score)}",
        *costs,
        *(plain(f"{name} {setting(trial.hyperparameters[name])}") for name in drawn_values[:_MOST_HOVERED]),
    ]
    if len(drawn_values) > _MOST_HOVERED:
        lines.append(f"and {len(drawn_values) - _MOST_HOVERED} more")
    return "<br>".join(lines)


def _tell_others(study: StudyRecord, front: Sequence[TrialRecord]) -> str:
    n_others = len(scored(study.trials)) - len(front)
    beyond = sum(trial.ended == "constraint" for trial in study.trials)
    told = f"Each of the other {count(n_others, 'trial')} is surpassed by one of these." if n_others else ""
    limits = f"{count(beyond, 'trial')} ended before training, beyond search.constraints." if beyond else ""
    return " ".join(filter(None, [told, limits, "The star is the knee, the best compromise." if study.knee else ""]))


def _table(study: StudyRecord, front: Sequence[TrialRecord], knee: TrialRecord | None) -> Table:
    names = varied_hyperparameters([trial for trial in study.trials if trial.hyperparameters])
    rows = [
        (
            f"{trial.number}{' (knee)' if knee and knee.number == trial.number else ''}",
            study.objective.format(trial.score),
            *(cost.format(trial.costs.get(cost.name)) for cost in study.costs),
            settings({name: trial.hyperparameters[name] for name in names if name in trial.hyperparameters}),
        )
        for trial in front
    ]
    headers = ("Trial", score_title(study.objective), *(cost.title for cost in study.costs), "Hyperparameters")
    return Table(headers=headers, rows=rows)
