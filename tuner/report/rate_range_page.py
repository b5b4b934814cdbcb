"""The page of a learning-rate range test."""

from collections.abc import Sequence
from pathlib import Path

from tuner.report.document import how_to_read, render_document, write_page
from tuner.report.figures import View, render_figure
from tuner.report.markup import element
from tuner.report.plots import rates
from tuner.training.rate_curve import RateCurve

_LEAD = (
    "One short training for each optimizer: the learning rate rises from batch to batch, and each batch's loss is "
    "measured before its step. The range to search goes from where a tenth of the fall is done to where the smoothed "
    "loss is lowest (Smith, 2015). It diverges where half of the fall is lost again. Thin lines: "
    "each batch; thick ones: smoothed. One run on a few batches: the range bounds a search, it does not choose a rate."
)


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
    drawn = [render_figure(one, view) for one in ([compared] if compared else []) + figures]
    header = element(
        "header", element("h1", "Learning-rate range test"), element("p", f"Space {space}, dataset {dataset}.")
    )
    main = element(
        "section",
        element("h2", "Loss by learning rate", id="rates-title"),
        element("p", _LEAD, class_="lead"),
        element("div", *drawn, class_="figures"),
        aria_labelledby="rates-title",
    )
    return render_document(
        title=f"Learning rates of {space} on {dataset}", header=header, main=main, closing=how_to_read()
    )
