"""The confusion matrix on the test set, coloured by mistakes only: at 99 % accuracy the diagonal would hide them."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from tuner.bundles.predictions import Predictions
from tuner.class_metrics import confusion_matrix
from tuner.report.figures import Plot, ReportFigure
from tuner.report.finals_results import predicted_classes
from tuner.report.markup import Table
from tuner.report.mistakes import confused_pairs
from tuner.report.theme import HEAT, INK, LINE, SURFACE, figure, plain
from tuner.report.wording import count, percent

#: With more classes the counts no longer fit into their cells.
_LEGIBLE = 20
_PAIRS_LISTED = 60


def confusion_figure(matrix: NDArray[np.int64], class_names: Sequence[str]) -> go.Figure:
    """Plot counts by true class (rows) and predicted class (columns)."""
    n_classes = len(class_names)
    names = [plain(name) for name in class_names]
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    legible = n_classes <= _LEGIBLE
    heatmap = go.Heatmap(
        # The square root keeps single mistakes visible beside frequent ones.
        z=np.sqrt(mistakes, dtype=np.float32),
        customdata=matrix,
        text=np.where(matrix > 0, matrix.astype(str), "").tolist() if legible else None,
        texttemplate="%{text}" if legible else None,
        textfont={"color": INK, "size": 12 if n_classes <= _LEGIBLE // 2 else 10},
        colorscale=[[0, SURFACE], [1, HEAT]],
        zmin=0,
        zmax=max(1.0, float(mistakes.max()) ** 0.5),
        showscale=False,
        xgap=1 if legible else 0,
        ygap=1 if legible else 0,
        hovertemplate="true %{y}, predicted %{x}: %{customdata}<extra></extra>",
        x=list(range(n_classes)),
        y=list(range(n_classes)),
    )
    step = 1 if legible else -(-n_classes // _LEGIBLE)
    ticks = {"tickvals": list(range(0, n_classes, step)), "ticktext": names[::step], "showgrid": False}
    return figure(
        heatmap,
        xaxis=ticks | {"title": {"text": "predicted class"}},
        yaxis=ticks | {"title": {"text": "true class"}, "autorange": "reversed"},
        # Visible in the gaps between the cells.
        plot_bgcolor=LINE if legible else SURFACE,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
    )


def report_figure(predictions: Predictions, class_names: Sequence[str], *, source: str) -> ReportFigure:
    """Show which classes are confused."""
    matrix = confusion_matrix(predictions.labels, predicted_classes(predictions), len(class_names))
    pairs = confused_pairs(matrix)
    n_images, n_wrong = int(matrix.sum()), sum(images for _, _, images in pairs)
    often = "; ".join(
        f"{class_names[true]} taken for {class_names[taken]} ({count(images, 'time')})"
        for true, taken, images in pairs[:3]
    )
    most = f" Most often: {often}." if often else ""
    finding = (
        f"Test set, {source}: {count(n_wrong, 'mistake')} on {count(n_images, 'image')} "
        f"({percent(n_wrong / n_images)}).{most} A stronger colour means more mistakes; the diagonal is right answers."
    )
    listed = pairs[:_PAIRS_LISTED]
    rows = [(class_names[true], class_names[taken], f"{images:,}") for true, taken, images in listed]
    return ReportFigure(
        key="confusion",
        title="Confusion matrix",
        finding=finding,
        plots=(
            Plot(figure=confusion_figure(matrix, class_names), label=f"Confusion matrix. {finding}", height_px=440),
        ),
        table=Table(
            headers=("True class", "Predicted class", "Test images"), rows=rows or [("no mistakes", None, "0")]
        ),
    )
