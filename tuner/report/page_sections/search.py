"""The search: all figures about its trials."""

from concurrent.futures import ThreadPoolExecutor

from tuner.report.figures import ReportFigure, StudyView, render_figure
from tuner.report.markup import Html, element
from tuner.report.plots import budget, folds, history, importance, intermediate, parallel, slices, timeline
from tuner.report.thinning import tell
from tuner.studies.records import StudyRecord

#: In the order of the page; the parameter importance follows the first. A new plot of the search is one line here.
_FIGURES = (
    history.report_figure,
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
    missing = importance.missing_reason(view.study) if "importance" not in drawn else None
    nothing = None if figures else element("p", "No trial has reported an epoch yet, so there is nothing to draw.")
    thinned = tell(len(view.study.trials))
    return element(
        "section",
        element(f"h{view.level}", "Search", id=view.anchor("search-title")),
        element("p", "Every score in this section is a validation score.", class_="lead"),
        nothing,
        element("p", thinned, class_="note") if thinned and figures else None,
        element("div", *[render_figure(figure, view) for figure in figures], class_="figures") if figures else None,
        element("p", missing, class_="note") if missing and figures else None,
        id=view.anchor("search"),
        aria_labelledby=view.title_ids("search"),
    )


def _build_figures(study: StudyRecord) -> list[ReportFigure | None]:
    with ThreadPoolExecutor(max_workers=1) as pool:
        # Another process measures the importance of a large study: the other figures need not wait for it.
        measured = pool.submit(importance.measure, study)
        first, *others = [build(study) for build in _FIGURES]
        return [first, importance.report_figure(measured.result()), *others]
