"""The Pareto front of a search with several objectives: every trial's score against each of the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from tuner.objectives import Cost, Measure, Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.forest_importance import varied_hyperparameters
from tuner.report.markup import Table
from tuner.report.plots.history import scored
from tuner.report.theme import BLUE, GAP_ACROSS, GREY, INK, ORANGE, Axis, figure, log_axis, plain, score_axis
from tuner.report.thinning import drawn
from tuner.report.wording import count, describe_front, score_title, setting, settings, write_others
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord
from tuner.studies.slots.outcomes import values_beside

#: Hyperparameters in the text at a mark.
_MOST_HOVERED = 12


def report_figure(study: StudyRecord) -> ReportFigure | None:
    """Show the front among all trials, a plot for each of the others; None with one objective, and before a score."""
    front = study.front
    if not front:
        return None
    knee = study.knee
    finding = " ".join(filter(None, [describe_front(study), _tell_others(study, front)]))
    plots = [
        Plot(
            figure=front_figure(study, other, front=front, knee=knee),
            label=f"{study.objective.title} against {other.label}. {finding}",
            height_px=420,
        )
        for other in study.others
    ]
    table = _table(study, front, knee)
    return ReportFigure(key="front", title="Pareto front", finding=finding, plots=tuple(plots), table=table, wide=True)


def front_figure(
    study: StudyRecord, other: Measure, *, front: Sequence[TrialRecord], knee: TrialRecord | None
) -> go.Figure:
    """Plot the score of each trial against one of the others: the front, its knee as a star, and the other trials."""
    objective = study.objective
    on_front = {trial.number for trial in front}
    names = varied_hyperparameters([trial for trial in study.trials if trial.hyperparameters])
    drawn_trials = scored(drawn(study.trials, objective))
    beside = {trial.number: values_beside(trial).get(other.name) for trial in [*front, *drawn_trials]}
    measured = [trial for trial in drawn_trials if beside[trial.number] is not None]
    surpassed = [trial for trial in measured if trial.number not in on_front]
    scores = [trial.score or 0.0 for trial in [*front, *surpassed]]
    axis = score_axis(objective, scores)
    across = axis_of(other, [value for value in beside.values() if value is not None])

    def marks(trials: Sequence[TrialRecord], name: str, **look: Any) -> go.Scatter:
        return go.Scatter(
            x=[across.place(beside[trial.number]) for trial in trials],
            y=[axis.place(trial.score) for trial in trials],
            customdata=[_hover(study, trial, names) for trial in trials],
            name=name,
            hovertemplate="%{customdata}<extra></extra>",
            **look,
        )

    # With two objectives what lies below the line is dominated; with more it depends on the others.
    steps = "hv" if other.direction == "minimize" else "vh"
    line = {"mode": "lines+markers", "line": {"shape": steps, "color": BLUE, "width": 1.5}}
    traces = [
        marks(surpassed, "other trials", mode="markers", marker={"color": GREY, "size": 6, "opacity": 0.7}),
        marks(
            sorted(front, key=lambda trial: beside[trial.number] or 0.0),
            "Pareto front",
            marker={"color": BLUE, "size": 9},
            **(line if len(study.others) == 1 else {"mode": "markers"}),
        ),
    ]
    if knee is not None:
        star = {"symbol": "star", "color": ORANGE, "size": 16, "line": {"color": INK, "width": 1}}
        traces.append(marks([knee], "knee", mode="markers", marker=star))
    return figure(
        *traces,
        xaxis=across.settings,
        yaxis=axis.axis(plain(objective.label), scores),
    )


@dataclass(frozen=True, kw_only=True)
class Across:
    """The horizontal axis of a measure."""

    #: Returns the position of a value.
    place: Callable[[float | None], float | None]
    #: Plotly's.
    settings: Axis


def axis_of(measure: Measure, values: Sequence[float]) -> Across:
    """Return an axis for these values: logarithmic, in its unit, of a cost; as that of a score of an objective."""
    if isinstance(measure, Cost):
        scale = measure.scale

        def place(value: float | None) -> float | None:
            return None if value is None else value * scale

        title = f"{measure.label} ({measure.unit})" if measure.unit else measure.label
        return Across(place=place, settings=log_axis(title, [value * scale for value in values]))
    if not isinstance(measure, Objective):
        raise TypeError(f"Received {measure!r}. Expected a cost or an objective.")
    axis = score_axis(measure, values)
    return Across(place=axis.place, settings=axis.axis(plain(measure.label), values, least_gap=GAP_ACROSS))


def _hover(study: StudyRecord, trial: TrialRecord, names: Sequence[str]) -> str:
    values = zip(study.others, write_others(trial, study), strict=True)
    others = (plain(f"{other.label} {value}") for other, value in values)
    drawn_values = [name for name in names if name in trial.hyperparameters]
    lines = [
        f"trial {trial.number}: {study.objective.format(trial.score)}",
        *others,
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
            *write_others(trial, study),
            settings({name: trial.hyperparameters[name] for name in names if name in trial.hyperparameters}),
        )
        for trial in front
    ]
    headers = ("Trial", score_title(study.objective), *(other.title for other in study.others), "Hyperparameters")
    return Table(headers=headers, rows=rows)
