"""Studies of one dataset side by side: validation scores in one panel, test accuracies in another, never mixed."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tuner.objectives import Objective
from tuner.report.figures import Plot, ReportFigure
from tuner.report.headline import Headline
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREEN, ORANGE, Axis, Nines, figure, nines, plain, score_axis
from tuner.report.wording import count, interval, listing, percent


def validation_figure(headlines: Sequence[Headline], objective: Objective) -> go.Figure:
    """Plot each study's best validation score; all are of this objective."""
    shown = [headline for headline in headlines if headline.best_score is not None]
    axis = score_axis(objective, [headline.best_score or 0.0 for headline in shown])
    dots = go.Scatter(
        x=[axis.place(headline.best_score) for headline in shown],
        y=[plain(headline.study) for headline in shown],
        text=[objective.format(headline.best_score) for headline in shown],
        textposition="top center",
        mode="markers+text",
        cliponaxis=False,
        name="best of the search",
        marker={"color": BLUE, "size": 11, "symbol": "circle-open", "line": {"width": 2}},
        hovertemplate="%{y}: %{text} validation<extra></extra>",
    )
    scores = [headline.best_score or 0.0 for headline in shown]
    return figure(dots, showlegend=True, xaxis=_roomy(axis.axis("validation score", scores)), yaxis=_names(headlines))


def tested_figure(headlines: Sequence[Headline]) -> go.Figure:
    """Plot each study's test accuracy with its Wilson interval, and its ensemble's."""
    shown = [headline for headline in headlines if headline.test_mean is not None]
    ends = [end for headline in shown for end in (headline.test_interval or ())]
    ensembles = [headline for headline in headlines if headline.ensemble_accuracy is not None]
    values = [headline.test_mean or 0.0 for headline in shown] + [
        headline.ensemble_accuracy or 0.0 for headline in ensembles
    ]
    axis = nines(values + ends)
    single = go.Scatter(
        x=[axis.place(headline.test_mean) for headline in shown],
        y=[plain(headline.study) for headline in shown],
        error_x=_interval_bars(shown, axis),
        text=[percent(headline.test_mean) for headline in shown],
        textposition="top center",
        mode="markers+text",
        cliponaxis=False,
        name="mean of repeats, with its 95 % interval",
        marker={"color": ORANGE, "size": 11},
        hovertemplate="%{y}: %{text} test<extra></extra>",
    )
    together = go.Scatter(
        x=[axis.place(headline.ensemble_accuracy) for headline in ensembles],
        y=[plain(headline.study) for headline in ensembles],
        text=[percent(headline.ensemble_accuracy) for headline in ensembles],
        textposition="bottom center",
        mode="markers+text",
        cliponaxis=False,
        name="ensemble",
        marker={"color": GREEN, "size": 11, "symbol": "diamond"},
        hovertemplate="%{y}: %{text} test, ensemble<extra></extra>",
    )
    return figure(single, together, xaxis=_roomy(axis.axis("test accuracy", values + ends)), yaxis=_names(headlines))


def _interval_bars(headlines: Sequence[Headline], axis: Nines) -> dict[str, Any]:
    places = [axis.place(headline.test_mean) or 0.0 for headline in headlines]
    bounds = [headline.test_interval or (headline.test_mean or 0.0,) * 2 for headline in headlines]
    return {
        "type": "data",
        "symmetric": False,
        "array": [(axis.place(high) or 0.0) - place for (_, high), place in zip(bounds, places, strict=True)],
        "arrayminus": [place - (axis.place(low) or 0.0) for (low, _), place in zip(bounds, places, strict=True)],
        "color": ORANGE,
        "thickness": 2,
    }


def _roomy(axis: Axis) -> Axis:
    # The labels beside the dots need space at both ends.
    low, high = axis["range"]
    return axis | {"range": [low - 0.1 * (high - low), high + 0.1 * (high - low)], "tickangle": 0}


def _names(headlines: Sequence[Headline]) -> dict[str, object]:
    names = [plain(headline.study) for headline in headlines]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names[::-1],
        "range": [-0.6, len(names) - 0.4],
    }


def report_figure(headlines: Sequence[Headline], *, key: str) -> ReportFigure:
    """Compare the studies, all of one dataset."""
    height_px = 140 + 62 * len(headlines)
    plots = []
    # Scores of different objectives have no axis in common.
    for objective in dict.fromkeys(headline.objective for headline in headlines if headline.best_score is not None):
        alike = [headline for headline in headlines if headline.objective == objective]
        label = f"Best validation score of {count(len(alike), 'study', 'studies')}."
        plots.append(Plot(figure=validation_figure(alike, objective), label=label, height_px=height_px))
    tested = [headline for headline in headlines if headline.test_mean is not None]
    if tested:
        label = f"Test accuracy of {count(len(tested), 'study', 'studies')}. {_finding(headlines)}"
        plots.append(Plot(figure=tested_figure(headlines), label=label, height_px=height_px))
    return ReportFigure(
        key=key,
        title=f"Studies on {headlines[0].dataset}, side by side",
        finding=_finding(headlines),
        plots=tuple(plots),
        table=Table(headers=_HEADERS, rows=[_row(headline) for headline in headlines]),
        wide=True,
    )


_HEADERS = (
    "Study",
    "Space",
    "Best validation score (search)",
    "Validation, mean of confirmation",
    "Test accuracy, mean ± sd",
    "95 % interval",
    "Ensemble, test",
    "Trials",
)


def _row(headline: Headline) -> tuple[str | None, ...]:
    return (
        headline.study,
        headline.space,
        headline.objective.format(headline.best_score),
        headline.objective.format(headline.confirmed_score),
        headline.test_text,
        interval(*headline.test_interval) if headline.test_interval else None,
        percent(headline.ensemble_accuracy),
        f"{headline.n_finished:,} of {headline.budget:,}",
    )


def _finding(headlines: Sequence[Headline]) -> str:
    tested = sorted(
        (headline for headline in headlines if headline.test_mean is not None), key=lambda one: -(one.test_mean or 0.0)
    )
    waiting = [headline.study for headline in headlines if headline.test_mean is None]
    later = f" No test accuracy yet: {listing(waiting)}." if waiting else ""
    if not tested:
        return f"None of these studies has been tested; validation scores only.{later}"
    if len(tested) == 1:
        return f"{tested[0].study} reaches {tested[0].test_text} on the test set.{later}"
    first, second = tested[:2]
    return (
        f"{first.study} has the highest mean test accuracy, {first.test_text}, before {second.study} with "
        f"{second.test_text}. {_overlap(first, second)}{later}"
    )


def _overlap(first: Headline, second: Headline) -> str:
    if first.test_interval is None or second.test_interval is None:
        return ""
    if first.test_interval[0] <= second.test_interval[1]:
        return "Their 95 % intervals overlap: on this test set the difference is not clear."
    return "Their 95 % intervals do not overlap."
