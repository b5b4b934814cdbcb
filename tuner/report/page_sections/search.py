"""The search: all figures about its trials."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tuner.report.figures import ReportFigure, StudyView, render_figure
from tuner.report.forest_importance import Importance
from tuner.report.markup import Html
from tuner.report.page_sections.ranges import render_ranges
from tuner.report.plots import (
    budget,
    distribution,
    folds,
    front,
    history,
    importance,
    intermediate,
    pairs,
    parallel,
    slices,
    timeline,
)
from tuner.report.templating import fill
from tuner.report.thinning import tell
from tuner.studies.records.study import StudyRecord

#: In the order of the page; the parameter importance follows the first, and pairs of hyperparameters the slices. A new
#: plot of the search is one line here.
_FIGURES = (
    history.report_figure,
    distribution.report_figure,
    folds.report_figure,
    intermediate.report_figure,
    budget.report_figure,
    slices.report_figure,
    parallel.report_figure,
    timeline.report_figure,
)


def render_search(view: StudyView) -> Html:
    """Write the section of the search."""
    figures = [figure for figure in _build_figures(view.study) if figure is not None]
    drawn = {figure.key for figure in figures}
    return fill(
        "search",
        view=view,
        ranges=render_ranges(view),
        figures=[render_figure(figure, view) for figure in figures],
        thinned=tell(len(view.study.trials)),
        missing=importance.missing_reason(view.study) if "importance" not in drawn else None,
    )


def _build_figures(study: StudyRecord) -> list[ReportFigure | None]:
    if not importance.is_measured_apart(study):
        # Not beside the other figures: scikit-learn imports pandas where there is one, and Plotly looks into it while
        # it is not yet whole.
        return _in_order(study, importance.measure(study), [build(study) for build in _FIGURES])
    with ThreadPoolExecutor(max_workers=1) as pool:
        # Another process measures the importance of a large study: the other figures need not wait for it.
        measured = pool.submit(importance.measure, study)
        figures = [build(study) for build in _FIGURES]
        return _in_order(study, measured.result(), figures)


def _in_order(
    study: StudyRecord, measured: Importance | None, figures: Sequence[ReportFigure | None]
) -> list[ReportFigure | None]:
    first, *others = figures
    of_front = front.report_figure(study)
    after = 1 + next(place for place, build in enumerate(_FIGURES[1:]) if build is slices.report_figure)
    paired = pairs.report_figures(study, measured)
    return [of_front, first, importance.report_figure(measured), *others[:after], *paired, *others[after:]]
