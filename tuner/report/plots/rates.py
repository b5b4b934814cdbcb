"""Loss against learning rate, as a range test measured it."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, SOFT, figure, log_axis
from tuner.report.wording import count, listing, setting
from tuner.training.rate_curve import RateCurve

#: Colour and dash of each optimizer where several are compared; more repeat them.
_LINES = (
    (BLUE, "solid"),
    (ORANGE, "dash"),
    (GREEN, "dot"),
    (PURPLE, "dashdot"),
    (SOFT, "solid"),
    (GREY, "dash"),
)
#: Room above the first loss, as a share of the fall.
_ROOM = 0.6
#: The same as a share of the first loss: a loss that does not fall has no height.
_LEAST_ROOM = 0.1


def comparison_figure(curves: Sequence[RateCurve]) -> go.Figure:
    """Plot the smoothed losses of several optimizers."""
    traces = [
        go.Scatter(
            x=curve.rates,
            y=curve.smoothed,
            mode="lines",
            name=curve.optimizer,
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate=f"{curve.optimizer}, rate %{{x:.2e}}: loss %{{y:.4f}}<extra></extra>",
        )
        for curve, (colour, dash) in zip(curves, _LINES * (1 + len(curves) // len(_LINES)), strict=False)
    ]
    return figure(*traces, xaxis=_rate_axis(curves), yaxis=_loss_axis(curves))


def curve_figure(curve: RateCurve) -> go.Figure:
    """Plot one optimizer's losses, the smoothed loss, the suggested range and where it falls fastest and diverges."""
    raw = go.Scatter(
        x=curve.rates,
        y=curve.losses,
        mode="lines",
        name="each batch",
        line={"color": GREY, "width": 1},
        opacity=0.6,
        hovertemplate="rate %{x:.2e}: loss %{y:.4f} on its batch<extra></extra>",
    )
    smoothed = go.Scatter(
        x=curve.rates,
        y=curve.smoothed,
        mode="lines",
        name="smoothed",
        line={"color": BLUE, "width": 2.4},
        hovertemplate="rate %{x:.2e}: loss %{y:.4f}, smoothed<extra></extra>",
    )
    marks = [
        _mark(rate, name, colour, dash, anchor)
        for rate, name, colour, dash, anchor in (
            # Its text stands left of its line, as the other one may be close at the right.
            (curve.steepest, "falls fastest", GREEN, "dash", "right"),
            (curve.diverged, "diverges", ORANGE, "dot", "center"),
        )
        if rate is not None
    ]
    drawn = figure(raw, smoothed, xaxis=_rate_axis([curve]), yaxis=_loss_axis([curve]))
    drawn.update_layout(showlegend=False, shapes=[line for line, _ in marks], annotations=[text for _, text in marks])
    if curve.suggested:
        drawn.add_vrect(x0=curve.suggested[0], x1=curve.suggested[1], fillcolor=BLUE, opacity=0.12, line_width=0)
    return drawn


def _mark(rate: float, name: str, colour: str, dash: str, anchor: str) -> tuple[dict[str, object], dict[str, object]]:
    line = {"type": "line", "x0": rate, "x1": rate, "yref": "paper", "y0": 0, "y1": 1}
    text = {
        # On a logarithmic axis annotations take the exponent, lines the number.
        "x": math.log10(rate),
        "y": 1,
        "yref": "paper",
        "yanchor": "bottom",
        "xanchor": anchor,
        "text": name,
        "showarrow": False,
        "font": {"color": colour},
    }
    return line | {"line": {"color": colour, "dash": dash, "width": 2}}, text


def _rate_axis(curves: Sequence[RateCurve]) -> dict[str, object]:
    return log_axis("learning rate", [rate for curve in curves for rate in (curve.rates[0], curve.rates[-1])])


def _loss_axis(curves: Sequence[RateCurve]) -> dict[str, object]:
    """Show what lies below the first losses and a little more: an exploding loss would press all else into a line."""
    low, high = min(min(curve.smoothed) for curve in curves), max(curve.smoothed[0] for curve in curves)
    room = max(_ROOM * (high - low), _LEAST_ROOM * abs(high)) or 1.0
    return {"title": {"text": "loss"}, "range": [low - 0.2 * room, high + room], "zeroline": False}


def comparison_report_figure(curves: Sequence[RateCurve]) -> ReportFigure | None:
    """Compare optimizers; None for a single one."""
    if len(curves) == 1:
        return None
    finding = "Smoothed loss. " + " ".join(f"{curve.optimizer.capitalize()}: {_suggestion(curve)}." for curve in curves)
    rows = [
        (
            curve.optimizer,
            *(None if rate is None else setting(rate) for rate in _found(curve)),
            _suggestion(curve),
        )
        for curve in curves
    ]
    headers = ("Optimizer", "Falls fastest at", "Lowest at", "Diverges at", "Range to search")
    return ReportFigure(
        key="comparison",
        title="All optimizers",
        finding=finding,
        plots=(Plot(figure=comparison_figure(curves), label=f"Loss by learning rate. {finding}", height_px=400),),
        table=Table(headers=headers, rows=rows),
        wide=True,
    )


def report_figure(curve: RateCurve, *, number: int) -> ReportFigure:
    """Show one optimizer's curve."""
    finding = _finding(curve)
    rows = [
        (setting(rate), setting(loss), setting(mean))
        for rate, loss, mean in zip(curve.rates, curve.losses, curve.smoothed, strict=True)
    ]
    return ReportFigure(
        key=f"optimizer-{number}",
        title=curve.optimizer,
        finding=finding,
        plots=(
            Plot(
                figure=curve_figure(curve),
                label=f"Loss by learning rate with {curve.optimizer}. {finding}",
                height_px=400,
            ),
        ),
        table=Table(headers=("Learning rate", "Loss of its batch", "Smoothed"), rows=rows),
    )


def _found(curve: RateCurve) -> tuple[float | None, float | None, float | None]:
    return curve.steepest, curve.lowest if curve.suggested else None, curve.diverged


def _suggestion(curve: RateCurve) -> str:
    if curve.suggested is None:
        return "the loss does not fall"
    low, high = curve.suggested
    return f"search {setting(low)} to {setting(high)}"


def _finding(curve: RateCurve) -> str:
    steepest, lowest, diverged = _found(curve)
    found = [
        f"{what} at {rate:.2g}"
        for what, rate in (("falls fastest", steepest), ("is lowest", lowest), ("diverges", diverged))
        if rate is not None
    ]
    said = f"The smoothed loss {listing(found)}." if found else "The loss does not fall."
    still = "" if diverged is not None or lowest is None else " It does not diverge up to the last rate."
    shaded = f" Shaded: {_suggestion(curve)}." if curve.suggested else ""
    return f"{count(len(curve.rates), 'batch', 'batches')} of {curve.batch_size:,} images. {said}{still}{shaded}"
