"""The page of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path

from tuner.report.document import render_document, write_page
from tuner.report.figures import View, render_figure
from tuner.report.plots import rates
from tuner.training.rate_curve import RateCurve


def write_rate_range(curves: Sequence[RateCurve], *, space: str, dataset: str, path: Path) -> Path:
    """Write the page and return its absolute path.

    Raises:
        PageNotWrittenError: The file cannot be written.
    """
    return write_page(render_rate_range(curves, space=space, dataset=dataset), path)


def render_rate_range(curves: Sequence[RateCurve], *, space: str, dataset: str) -> str:
    """Return the page as one HTML document."""
    view = View(prefix="rates")
    compared = rates.comparison_report_figure(curves)
    figures = [rates.report_figure(curve, number=number) for number, curve in enumerate(curves, start=1)]
    return render_document(
        "rate_range",
        title=f"Learning rates of {space} on {dataset}",
        space=space,
        dataset=dataset,
        figures=[render_figure(one, view) for one in ([compared] if compared else []) + figures],
    )
