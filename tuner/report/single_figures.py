"""The figures of a study's report one by one, as Plotly's own, for notebooks."""

from collections.abc import Mapping

import plotly.graph_objects as go

from tuner.artifacts import ArtifactStore
from tuner.report.figures import ReportFigure, kept_figures
from tuner.report.page import render_report
from tuner.report.theme import SURFACE
from tuner.studies.records.study import StudyRecord


def draw_figures(record: StudyRecord, artifacts: ArtifactStore) -> Mapping[str, go.Figure]:
    """Return every figure of the study's report by its name, in the order of the page.

    A figure of several drawings is one entry for each: `slices-1`, `slices-2` and so on. The figures are exactly those
    that the page has, because it is the page's own drawing that is kept.
    """
    with kept_figures() as kept:
        render_report([record], artifacts)
    drawn: dict[str, go.Figure] = {}
    for figure in kept:
        for name, one in _name_plots(figure):
            drawn.setdefault(name, one)
    return drawn


def _name_plots(figure: ReportFigure) -> list[tuple[str, go.Figure]]:
    is_single = len(figure.plots) == 1
    return [
        (
            figure.key if is_single else f"{figure.key}-{number}",
            # Its letters are dark: in a dark notebook it brings its own light ground.
            go.Figure(plot.figure).update_layout(
                title={"text": figure.title if is_single else plot.label.partition(". ")[0].rstrip(".")},
                height=plot.height_px + _TITLE_PX,
                margin={"t": _TITLE_PX},
                paper_bgcolor=SURFACE,
                plot_bgcolor=SURFACE,
            ),
        )
        for number, plot in enumerate(figure.plots, start=1)
    ]


#: Room for the title, which the page writes above the drawing.
_TITLE_PX = 70
