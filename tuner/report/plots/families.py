"""Studies of one dataset side by side: validation scores in one panel, test accuracies in another, never mixed."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from tuner.report.answer import Answer
from tuner.report.exhibit import Exhibit, Plot
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREEN, ORANGE, Nines, figure, nines, plain
from tuner.report.wording import count, interval, listing, percent


def validation_figure(answers: Sequence[Answer]) -> go.Figure:
    """Plot each study's best validation score."""
    shown = [answer for answer in answers if answer.best_score is not None]
    axis = nines([answer.best_score or 0.0 for answer in shown])
    dots = go.Scatter(
        x=[axis.place(answer.best_score) for answer in shown],
        y=[plain(answer.study) for answer in shown],
        text=[percent(answer.best_score) for answer in shown],
        textposition="top center",
        mode="markers+text",
        cliponaxis=False,
        name="best of the search",
        marker={"color": BLUE, "size": 11, "symbol": "circle-open", "line": {"width": 2}},
        hovertemplate="%{y}: %{text} validation<extra></extra>",
    )
    scores = [answer.best_score or 0.0 for answer in shown]
    return figure(dots, showlegend=True, xaxis=_roomy(axis.axis("validation score", scores)), yaxis=_names(answers))


def tested_figure(answers: Sequence[Answer]) -> go.Figure:
    """Plot each study's test accuracy with its Wilson interval, and its ensemble's."""
    shown = [answer for answer in answers if answer.test_mean is not None]
    ends = [end for answer in shown for end in (answer.test_interval or ())]
    ensembles = [answer for answer in answers if answer.ensemble_accuracy is not None]
    values = [answer.test_mean or 0.0 for answer in shown] + [answer.ensemble_accuracy or 0.0 for answer in ensembles]
    axis = nines(values + ends)
    single = go.Scatter(
        x=[axis.place(answer.test_mean) for answer in shown],
        y=[plain(answer.study) for answer in shown],
        error_x=_interval_bars(shown, axis),
        text=[percent(answer.test_mean) for answer in shown],
        textposition="top center",
        mode="markers+text",
        cliponaxis=False,
        name="mean of repeats, with its 95 % interval",
        marker={"color": ORANGE, "size": 11},
        hovertemplate="%{y}: %{text} test<extra></extra>",
    )
    together = go.Scatter(
        x=[axis.place(answer.ensemble_accuracy) for answer in ensembles],
        y=[plain(answer.study) for answer in ensembles],
        text=[percent(answer.ensemble_accuracy) for answer in ensembles],
        textposition="bottom center",
        mode="markers+text",
        cliponaxis=False,
        name="ensemble",
        marker={"color": GREEN, "size": 11, "symbol": "diamond"},
        hovertemplate="%{y}: %{text} test, ensemble<extra></extra>",
    )
    return figure(single, together, xaxis=_roomy(axis.axis("test accuracy", values + ends)), yaxis=_names(answers))


def _interval_bars(answers: Sequence[Answer], axis: Nines) -> dict[str, Any]:
    places = [axis.place(answer.test_mean) or 0.0 for answer in answers]
    bounds = [answer.test_interval or (answer.test_mean or 0.0,) * 2 for answer in answers]
    return {
        "type": "data",
        "symmetric": False,
        "array": [(axis.place(high) or 0.0) - place for (_, high), place in zip(bounds, places, strict=True)],
        "arrayminus": [place - (axis.place(low) or 0.0) for (low, _), place in zip(bounds, places, strict=True)],
        "color": ORANGE,
        "thickness": 2,
    }


def _roomy(axis: dict[str, Any]) -> dict[str, Any]:
    # The numbers beside the dots need room at both ends.
    low, high = axis["range"]
    return axis | {"range": [low - 0.1 * (high - low), high + 0.1 * (high - low)], "tickangle": 0}


def _names(answers: Sequence[Answer]) -> dict[str, object]:
    names = [plain(answer.study) for answer in answers]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names[::-1],
        "range": [-0.6, len(names) - 0.4],
    }


def exhibit(answers: Sequence[Answer], *, key: str) -> Exhibit:
    """Show the studies of one dataset; the caller makes sure that it is one."""
    height_px = 140 + 62 * len(answers)
    plots = []
    if any(answer.best_score is not None for answer in answers):
        label = f"Best validation score of {count(len(answers), 'study', 'studies')}."
        plots.append(Plot(figure=validation_figure(answers), label=label, height_px=height_px))
    tested = [answer for answer in answers if answer.test_mean is not None]
    if tested:
        label = f"Test accuracy of {count(len(tested), 'study', 'studies')}. {_finding(answers)}"
        plots.append(Plot(figure=tested_figure(answers), label=label, height_px=height_px))
    return Exhibit(
        key=key,
        title=f"Studies on {answers[0].dataset}, side by side",
        finding=_finding(answers),
        plots=tuple(plots),
        table=Table(headers=_HEADERS, rows=[_row(answer) for answer in answers]),
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


def _row(answer: Answer) -> tuple[str | None, ...]:
    return (
        answer.study,
        answer.space,
        percent(answer.best_score),
        percent(answer.validation_mean),
        answer.test_text,
        interval(*answer.test_interval) if answer.test_interval else None,
        percent(answer.ensemble_accuracy),
        f"{answer.n_finished:,} of {answer.budget:,}",
    )


def _finding(answers: Sequence[Answer]) -> str:
    tested = sorted(
        (answer for answer in answers if answer.test_mean is not None), key=lambda one: -(one.test_mean or 0.0)
    )
    waiting = [answer.study for answer in answers if answer.test_mean is None]
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


def _overlap(first: Answer, second: Answer) -> str:
    if first.test_interval is None or second.test_interval is None:
        return ""
    if first.test_interval[0] <= second.test_interval[1]:
        return "Their 95 % intervals overlap: this test set does not clearly tell them apart."
    return "Their 95 % intervals do not overlap."
