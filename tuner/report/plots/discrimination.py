"""ROC and precision-recall curves, one class against the rest, in full and enlarged in the best corner.

With many classes, only the hardest ones are coloured and named; the others form a grey background.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from tuner.bundles.predictions import Predictions
from tuner.report.figures import Plot, ReportFigure
from tuner.report.markup import Table
from tuner.report.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, figure, plain
from tuner.report.wording import count, listing

_HARDEST = ((ORANGE, "solid"), (BLUE, "dash"), (PURPLE, "dot"), (GREEN, "dashdot"))
#: Points drawn over all classes; more cannot be distinguished and enlarge the page.
_POINTS = 12_000
#: Sides of possible corners; the smallest in which the hardest class has its bend is shown.
_CORNERS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5)


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """The differences between the two figures."""

    key: str
    title: str
    axes: tuple[str, str]
    area: str
    #: Position of a perfect classifier on the x axis.
    ideal_x: float


_ROC = _Kind(
    key="roc",
    title="ROC curves",
    axes=("false positive rate", "true positive rate"),
    area="area under the curve",
    ideal_x=0.0,
)
_PRECISION_RECALL = _Kind(
    key="precision-recall",
    title="Precision-recall curves",
    axes=("recall", "precision"),
    area="average precision",
    ideal_x=1.0,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One class's curve; classes are ranked by `area`."""

    class_name: str
    #: float32, both in [0, 1]: false and true positive rate, or recall and precision.
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    area: float


def roc_curves(predictions: Predictions, class_names: Sequence[str]) -> list[Curve]:
    """Return the ROC curve of each class in the test set, the smallest area first."""
    # Imported here: it takes 90 MB, which a study without finals does not need.
    from sklearn.metrics import auc, roc_curve

    def one(name: str, positive: NDArray[np.bool_], score: NDArray[np.float32]) -> Curve:
        x, y, _ = roc_curve(positive, score)
        return Curve(class_name=name, x=x, y=y, area=float(auc(x, y)))

    return _curves(predictions, class_names, one)


def precision_recall_curves(predictions: Predictions, class_names: Sequence[str]) -> list[Curve]:
    """Return the precision-recall curve of each class in the test set, the lowest average precision first."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    def one(name: str, positive: NDArray[np.bool_], score: NDArray[np.float32]) -> Curve:
        y, x, _ = precision_recall_curve(positive, score, drop_intermediate=True)
        return Curve(class_name=name, x=x, y=y, area=float(average_precision_score(positive, score)))

    return _curves(predictions, class_names, one)


def _curves(
    predictions: Predictions,
    class_names: Sequence[str],
    one: Callable[[str, NDArray[np.bool_], NDArray[np.float32]], Curve],
) -> list[Curve]:
    limit = max(40, _POINTS // len(class_names))
    curves = []
    for index, name in enumerate(class_names):
        positive = predictions.labels == index
        if 0 < positive.sum() < len(positive):
            curve = one(name, positive, predictions.probabilities[:, index])
            curves.append(_thinned(curve, limit))
    return sorted(curves, key=lambda curve: curve.area)


def _thinned(curve: Curve, limit: int) -> Curve:
    keep = np.unique(np.linspace(0, len(curve.x) - 1, limit).round().astype(int))
    return Curve(
        class_name=curve.class_name,
        x=curve.x[keep].astype(np.float32),
        y=curve.y[keep].astype(np.float32),
        area=curve.area,
    )


def corner_size(curves: Sequence[Curve], *, ideal_x: float) -> float:
    """Return the side of the corner to zoom into: the smallest in which the hardest class has a point."""
    hardest = curves[0]
    distance = float(np.maximum(abs(hardest.x - ideal_x), 1 - hardest.y).min())
    return next((size for size in _CORNERS if distance <= size / 2), 1.0)


def curves_figure(curves: Sequence[Curve], *, titles: tuple[str, str], area_name: str) -> go.Figure:
    """Plot the hardest classes over a grey background of the others."""
    hardest, others = curves[: len(_HARDEST)], curves[len(_HARDEST) :]
    background = [
        _line(
            curve,
            {"color": GREY, "width": 1},
            area_name,
            name="other classes",
            legendrank=2000,
            legendgroup="other",
            showlegend=index == 0,
        )
        for index, curve in enumerate(others)
    ]
    named = [
        _line(curve, {"color": colour, "dash": dash, "width": 2.2}, area_name, name=plain(curve.class_name))
        for curve, (colour, dash) in zip(hardest, _HARDEST, strict=False)
    ]
    return figure(
        *background,
        *named,
        xaxis={"title": {"text": titles[0]}, "range": [-0.01, 1.01], "showgrid": True},
        yaxis={"title": {"text": titles[1]}, "range": [-0.01, 1.02]},
    )


def _line(curve: Curve, line: dict[str, object], area_name: str, **look: object) -> go.Scatter:
    text = f"{plain(curve.class_name)}: {area_name} {curve.area:.5f}"
    return go.Scatter(
        x=curve.x,
        y=curve.y,
        mode="lines",
        line=line,
        opacity=0.9,
        hovertemplate=text + "<br>(%{x:.4f}, %{y:.4f})<extra></extra>",
        **look,
    )


def zoomed(whole: go.Figure, size: float, *, ideal_x: float) -> go.Figure:
    """Return the same curves in their best corner, of side `size`."""
    # With a margin, so that a curve along the edge is drawn in full width.
    room = 0.03 * size
    low, high = (-room, size) if ideal_x == 0 else (1 - size, 1 + room)
    corner = go.Figure(whole)
    corner.update_xaxes(range=[low, high])
    corner.update_yaxes(range=[1 - size, 1 + room])
    return corner


def roc_report_figure(predictions: Predictions, class_names: Sequence[str], *, source: str) -> ReportFigure | None:
    """Show how well each class is separated from the rest; None when the test set holds one class only."""
    return _report_figure(roc_curves(predictions, class_names), _ROC, source)


def precision_recall_report_figure(
    predictions: Predictions, class_names: Sequence[str], *, source: str
) -> ReportFigure | None:
    """Show precision against recall of each class; None when the test set holds one class only."""
    return _report_figure(precision_recall_curves(predictions, class_names), _PRECISION_RECALL, source)


def _report_figure(curves: Sequence[Curve], kind: _Kind, source: str) -> ReportFigure | None:
    if not curves:
        return None
    size = corner_size(curves, ideal_x=kind.ideal_x)
    finding = _finding(curves, kind, source, size)
    whole = curves_figure(curves, titles=kind.axes, area_name=kind.area)
    plots = [Plot(figure=whole, label=f"{kind.title}. {finding}", height_px=360)]
    if size < 1:
        corner = zoomed(whole, size, ideal_x=kind.ideal_x)
        plots.append(Plot(figure=corner, label=f"{kind.title}, the best corner enlarged.", height_px=360))
    rows = [(curve.class_name, f"{curve.area:.5f}") for curve in curves]
    table = Table(headers=("Class, hardest first", kind.area.capitalize()), rows=rows)
    return ReportFigure(key=kind.key, title=kind.title, finding=finding, plots=tuple(plots), table=table, wide=True)


def _finding(curves: Sequence[Curve], kind: _Kind, source: str, size: float) -> str:
    hardest = listing(f"{curve.class_name} ({curve.area:.5f})" for curve in curves[: len(_HARDEST)])
    mean = fmean(curve.area for curve in curves)
    corner = f" Second plot: the best corner, {100 * size:g}\u00a0% wide, enlarged." if size < 1 else ""
    return (
        f"Test set, {source}, each class against the rest: mean {kind.area} {mean:.5f} over "
        f"{count(len(curves), 'class', 'classes')}. Hardest: {hardest}.{corner}"
    )
