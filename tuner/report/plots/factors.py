"""One factor at a time: the differences of all values from the default, and the scores and curves of one factor."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.report.factor_words import name_value, write_interval
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.plots.intermediate import score_points
from tuner.report.theme import BLUE, GREEN, GREY, INK, LINE, ORANGE, PURPLE, figure, plain, score_axis, whole_axis
from tuner.report.wording import count, setting, signed
from tuner.studies.records.factors import ComparedValue, Factor

_ROW_PX, _AXIS_PX = 24, 90
#: Room for the name of a value.
_VALUE_PX = 72
#: Of more values than this, the axis of the differences covers this share, those near zero.
_FEW, _SHARE_SHOWN = 5, 0.8
#: The colour and the dash of each value's curve, in turn; the default's is `INK`.
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
_DASHES = ("solid", "dash", "dot")
_VERDICT_COLOURS = {"better": BLUE, "worse": ORANGE}


def differences_report_figure(factors: Sequence[Factor], objective: Objective) -> ReportFigure | None:
    """Show the difference of every value from its factor's default; None before the first pair is complete."""
    rows = [(factor, value) for factor in factors for value in factor.values if value.differences]
    if not rows:
        return None
    n_found = sum(value.verdict in _VERDICT_COLOURS for _, value in rows)
    unit = "percentage points" if objective.written_as == "percent" else objective.label
    finding = (
        f"{n_found} of {count(len(rows), 'value')} differ from the default. Each bar is the 95\u00a0% interval of the "
        f"mean difference in {unit}; grey ones hold zero, or come from too few seeds. Triangles "
        "lie beyond the axis, and bars that reach its end go on."
    )
    drawing = differences_figure(rows, objective)
    return ReportFigure(
        key="differences",
        title="Differences from the default",
        finding=finding,
        plots=(
            Plot(
                figure=drawing,
                label=f"Difference of each value from its default. {finding}",
                height_px=_AXIS_PX + _ROW_PX * len(rows),
                min_width_px=480,
            ),
        ),
        table=Table(
            headers=("Factor and value", "Default", "Difference", "95\u00a0% interval", "Seeds", "Finding"),
            rows=[
                (
                    f"{factor.name} {setting(value.value)}",
                    setting(factor.default.value),
                    signed(value.difference, objective),
                    write_interval(value, objective),
                    str(len(value.differences)),
                    value.verdict,
                )
                for factor, value in rows
            ],
        ),
        wide=True,
    )


def differences_figure(rows: Sequence[tuple[Factor, ComparedValue]], objective: Objective) -> go.Figure:
    """Plot the mean difference and its interval, a row for each value; what lies beyond the axis stands at its edge."""
    limit = _scale(objective) * _limit([value for _, value in rows])
    traces = [
        trace
        for place, (factor, value) in enumerate(rows)
        for trace in _row(factor, value, objective, place=place, limit=limit)
    ]
    zero = go.Scatter(
        x=[0, 0],
        y=[-0.7, len(rows) - 0.3],
        mode="lines",
        line={"color": INK, "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    unit = " (percentage points)" if objective.written_as == "percent" else ""
    return figure(
        zero,
        *traces,
        xaxis={
            "title": {"text": f"difference from the default{unit}"},
            "range": [-1.08 * limit, 1.08 * limit],
            "showgrid": True,
        },
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": [plain(f"{factor.name} {setting(value.value)}") for factor, value in rows],
            "range": [len(rows) - 0.3, -0.7],
            "gridcolor": LINE,
        },
    )


def _scale(objective: Objective) -> float:
    return 100.0 if objective.written_as == "percent" else 1.0


def _row(
    factor: Factor, value: ComparedValue, objective: Objective, *, place: int, limit: float
) -> Iterator[go.Scatter]:
    """Yield the interval of a value's difference, where it has one within the axis, and its mean."""
    scale, colour = _scale(objective), _VERDICT_COLOURS.get(value.verdict, GREY)
    difference = scale * (value.difference or 0.0)
    is_beyond = abs(difference) > limit
    if value.interval and not is_beyond:
        low, high = (scale * end for end in value.interval)
        yield go.Scatter(
            x=[max(low, -limit), min(high, limit)],
            y=[place, place],
            mode="lines",
            line={"color": colour, "width": 3},
            hoverinfo="skip",
            showlegend=False,
        )
    symbol = ("triangle-left" if difference < 0 else "triangle-right") if is_beyond else "circle"
    yield go.Scatter(
        x=[min(max(difference, -limit), limit)],
        y=[place],
        customdata=[_hover(factor, value, objective)],
        mode="markers",
        marker={"color": colour, "size": 9, "symbol": symbol},
        showlegend=False,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _limit(values: Sequence[ComparedValue]) -> float:
    """Return how far from zero the axis reaches."""
    reaches = sorted(max(map(abs, value.interval or (value.difference or 0.0,))) for value in values)
    n_shown = len(reaches) if len(reaches) <= _FEW else max(_FEW, round(_SHARE_SHOWN * len(reaches)))
    return 1.05 * reaches[n_shown - 1] or 1e-3


def _hover(factor: Factor, value: ComparedValue, objective: Objective) -> str:
    interval = write_interval(value, objective)
    return (
        plain(f"{factor.name} {setting(value.value)}")
        + f": {signed(value.difference, objective)}"
        + (f", {interval}" if interval else "")
    )


def factor_report_figure(factor: Factor, objective: Objective, *, key: str) -> ReportFigure | None:
    """Show one factor's scores, seed by seed, and the mean curve of each value; None before the first score."""
    scored = [value for value in factor.in_order if value.scores]
    if not scored:
        return None
    finding = (
        f"{_tell_best(scored, objective)} "
        "Grey lines join trials of one seed, bars show mean and standard deviation, curves are means over seeds."
    )
    curves = {name_value(value): mean_curve(value, objective) for value in scored}
    epochs = sorted({epoch for curve in curves.values() for epoch in curve})
    plots = [
        Plot(
            figure=scores_figure(scored, objective),
            label=f"Scores by {factor.name}. {finding}",
            height_px=300,
            min_width_px=_VALUE_PX * len(scored),
        )
    ]
    if epochs:
        plots.append(
            Plot(
                figure=curves_figure(scored, objective),
                label=f"{objective.title} by epoch for each {factor.name}.",
                height_px=300,
            )
        )
    return ReportFigure(
        key=key,
        title=f"Scores and curves by {factor.name}",
        finding=finding,
        plots=tuple(plots),
        table=Table(
            headers=("Epoch", *curves),
            rows=[
                (str(epoch), *(objective.format(curve[epoch]) if epoch in curve else None for curve in curves.values()))
                for epoch in epochs
            ],
        ),
        wide=True,
    )


def _tell_best(scored: Sequence[ComparedValue], objective: Objective) -> str:
    best = max(scored, key=lambda value: objective.utility(value.mean))
    if len(scored) > 1 and len({objective.format(value.mean, digits=6) for value in scored}) == 1:
        return f"The mean {objective.label} is the same with all values."
    return (
        f"The mean {objective.label} is best with {setting(best.value)}{' (the default)' if best.is_default else ''}."
    )


def mean_curve(value: ComparedValue, objective: Objective) -> dict[int, float]:
    """Return the mean score by epoch over the complete trials."""
    scores: dict[int, list[float]] = {}
    for trial in value.trials:
        if trial.repeat in value.scores:
            for epoch, score in score_points(trial, objective):
                scores.setdefault(epoch, []).append(score)
    return {epoch: fmean(found) for epoch, found in sorted(scores.items())}


def scores_figure(values: Sequence[ComparedValue], objective: Objective) -> go.Figure:
    """Plot each trial's score above its value."""
    everything = [score for value in values for score in value.scores.values()]
    axis = score_axis(objective, everything)
    repeats = sorted({repeat for value in values for repeat in value.scores})
    seeds = {trial.repeat: trial.seed for value in values for trial in value.trials}
    traces = [
        go.Scatter(
            x=[place for place, value in enumerate(values) if repeat in value.scores],
            y=[axis.place(value.scores[repeat]) for value in values if repeat in value.scores],
            customdata=[
                f"{plain(name_value(value))}, seed {seeds[repeat]}: {objective.format(value.scores[repeat])}"
                for value in values
                if repeat in value.scores
            ],
            mode="lines+markers",
            line={"color": GREY, "width": 1},
            marker={"color": BLUE, "size": 7},
            opacity=0.8,
            showlegend=False,
            hovertemplate="%{customdata}<extra></extra>",
        )
        for repeat in repeats
    ]
    traces += [_mean_bar(place, value, axis, objective) for place, value in enumerate(values)]
    return figure(
        *traces,
        xaxis={
            "tickvals": list(range(len(values))),
            "ticktext": [plain(name_value(value)) for value in values],
            "range": [-0.5, len(values) - 0.5],
        },
        yaxis=axis.axis(objective.label, everything),
    )


def _mean_bar(place: int, value: ComparedValue, axis: Any, objective: Objective) -> go.Scatter:
    mean, sd = value.mean or 0.0, value.sd or 0.0
    ends = [mean - sd, mean, mean + sd]
    return go.Scatter(
        x=[place + 0.14] * 3,
        y=[axis.place(end) for end in ends],
        customdata=[f"{plain(name_value(value))}: mean {objective.format(mean)}"] * 3,
        mode="lines+markers",
        line={"color": INK, "width": 2},
        marker={"color": INK, "size": [1, 10, 1], "symbol": "line-ew-open", "line": {"width": 2, "color": INK}},
        showlegend=False,
        hovertemplate="%{customdata}<extra></extra>",
    )


def curves_figure(values: Sequence[ComparedValue], objective: Objective) -> go.Figure:
    """Plot the mean score by epoch, a line for each value."""
    curves = [(value, mean_curve(value, objective)) for value in values]
    shown = [score for _, curve in curves for score in curve.values()]
    axis = score_axis(objective, shown)
    looks = ((colour, dash) for dash in _DASHES for colour in _COLOURS)
    traces = []
    for value, curve in curves:
        colour, dash = (INK, "solid") if value.is_default else next(looks, (GREY, "dot"))
        traces.append(
            go.Scatter(
                x=list(curve),
                y=[axis.place(score) for score in curve.values()],
                customdata=[f"{plain(name_value(value))}: {objective.format(score)}" for score in curve.values()],
                mode="lines" if len(curve) > 1 else "markers",
                name=plain(name_value(value)),
                line={"color": colour, "dash": dash, "width": 2.5 if value.is_default else 1.8},
                marker={"color": colour},
                hovertemplate="epoch %{x}<br>%{customdata}<extra></extra>",
            )
        )
    last = max(epoch for _, curve in curves for epoch in curve)
    return figure(*traces, xaxis=whole_axis("epoch", last), yaxis=axis.axis(objective.label, shown))
