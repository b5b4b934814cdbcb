"""Calibration: whether the probability of a model's answer is the share of its answers that are right.

Expected calibration error and reliability diagram as in C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On Calibration
of Modern Neural Networks, ICML 2017, equations 2 to 5, with their 15 bins:

    ECE = sum over bins of |B| / n * |accuracy(B) - confidence(B)|

A bin B holds the images whose highest probability, the confidence, lies in one of 15 equal parts of (0, 1]; n is the
number of all images; accuracy(B) is the share of right answers in B and confidence(B) the mean confidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tuner.bundles.predictions import Predictions
from tuner.report.figures import Plot, ReportFigure
from tuner.report.finals_results import predicted_classes
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREY, INK, figure
from tuner.report.wording import count, percent

N_BINS = 15
_ROUNDING = 1e-5
#: Width of a bar in percent, with a little space between two.
_BAR = 94 / N_BINS


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The images of one bin of confidence; there is at least one."""

    #: Ends of the bin; the upper one is included.
    low: float
    high: float
    n_images: int
    #: Mean confidence, and share of right answers, in [0, 1].
    confidence: float
    accuracy: float


def calibration_bins(predictions: Predictions) -> list[Bin]:
    """Return the bins that hold images, by confidence."""
    confidence = predictions.probabilities.max(axis=1).astype(np.float64)
    right = predicted_classes(predictions) == predictions.labels
    # The upper end belongs to a bin, as in the paper, also where a float32 is a little larger than it.
    places = np.clip(np.ceil(confidence * N_BINS - _ROUNDING).astype(int) - 1, 0, N_BINS - 1)
    return [
        Bin(
            low=place / N_BINS,
            high=(place + 1) / N_BINS,
            n_images=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
        for place in range(N_BINS)
        if (inside := places == place).any()
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error, in [0, 1], of at least one bin."""
    n_images = sum(one.n_images for one in bins)
    return sum(one.n_images / n_images * abs(one.accuracy - one.confidence) for one in bins)


def reliability_figure(bins: Sequence[Bin]) -> go.Figure:
    """Plot the accuracy of each bin as a bar, its mean confidence as a line on it, and the diagonal."""
    bars = go.Bar(
        x=[50 * (one.low + one.high) for one in bins],
        y=[100 * one.accuracy for one in bins],
        width=_BAR,
        name="accuracy",
        marker={"color": BLUE, "opacity": 0.75},
        customdata=[
            f"{count(one.n_images, 'image')}: confidence {percent(one.confidence)}, accuracy {percent(one.accuracy)}"
            for one in bins
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
    confidences = go.Scatter(
        x=[50 * (one.low + one.high) for one in bins],
        y=[100 * one.confidence for one in bins],
        mode="markers",
        name="mean confidence",
        marker={"symbol": "line-ew-open", "color": INK, "size": 14, "line": {"width": 2, "color": INK}},
        hoverinfo="skip",
    )
    ideal = go.Scatter(
        x=[0, 100], y=[0, 100], mode="lines", name="perfect", line={"color": GREY, "dash": "dash"}, hoverinfo="skip"
    )
    return figure(bars, confidences, ideal, xaxis=_percent_axis("confidence"), yaxis=_percent_axis("accuracy"))


def confidence_figure(bins: Sequence[Bin]) -> go.Figure:
    """Plot the share of the images in each bin."""
    n_images = sum(one.n_images for one in bins)
    bars = go.Bar(
        x=[50 * (one.low + one.high) for one in bins],
        y=[100 * one.n_images / n_images for one in bins],
        width=_BAR,
        showlegend=False,
        marker={"color": GREY},
        customdata=[count(one.n_images, "image") for one in bins],
        hovertemplate="%{customdata}<extra></extra>",
    )
    return figure(bars, xaxis=_percent_axis("confidence"), yaxis=_shares_axis())


def _percent_axis(title: str) -> dict[str, object]:
    # Without 0 %, whose label would touch that of the other axis.
    ticks = [20, 40, 60, 80, 100]
    texts = [f"{tick}\u00a0%" for tick in ticks]
    return {"title": {"text": title}, "range": [0, 102], "tickvals": ticks, "ticktext": texts}


def _shares_axis() -> dict[str, object]:
    return {"title": {"text": "share of the images"}, "rangemode": "tozero", "ticksuffix": "\u00a0%"}


def report_figure(predictions: Predictions, class_names: Sequence[str], *, source: str) -> ReportFigure:
    """Show how far a model's probabilities can be trusted."""
    del class_names
    bins = calibration_bins(predictions)
    n_images = len(predictions.labels)
    mean = sum(one.n_images * one.confidence for one in bins) / n_images
    gap = mean - predictions.accuracy
    direction = "over-confident" if gap > 0 else "under-confident"
    finding = (
        f"Test set, {source}: expected calibration error {percent(calibration_error(bins))} in {N_BINS} bins (Guo et "
        f"al., 2017). Mean confidence {percent(mean)}, accuracy {percent(predictions.accuracy)}: {direction} by "
        f"{100 * abs(gap):.2f} points. A bar below its line is a bin that is too sure."
    )
    rows = [
        (
            f"{percent(one.low, digits=1)} to {percent(one.high, digits=1)}",
            f"{one.n_images:,}",
            percent(one.confidence),
            percent(one.accuracy),
        )
        for one in bins
    ]
    return ReportFigure(
        key="calibration",
        title="Calibration",
        finding=finding,
        plots=(
            Plot(figure=reliability_figure(bins), label=f"Reliability diagram. {finding}", height_px=340),
            Plot(figure=confidence_figure(bins), label="Share of the images by confidence.", height_px=340),
        ),
        table=Table(headers=("Confidence", "Test images", "Mean confidence", "Accuracy"), rows=rows),
        wide=True,
    )
