"""What the search did."""

from tuner.report.exhibit import StudyView, render_exhibit
from tuner.report.markup import Html, element
from tuner.report.plots import budget, history, importances, intermediate, parallel, slices, timeline
from tuner.report.thinning import tell

#: In the order of the page. A new plot of the search is one line here.
_EXHIBITS = (
    history.exhibit,
    importances.exhibit,
    intermediate.exhibit,
    budget.exhibit,
    slices.exhibit,
    parallel.exhibit,
    timeline.exhibit,
)


def render_search(view: StudyView) -> Html:
    """Write the section of the search."""
    exhibits = [exhibit for build in _EXHIBITS if (exhibit := build(view.study)) is not None]
    drawn = {exhibit.key for exhibit in exhibits}
    missing = importances.missing_reason(view.study) if "importance" not in drawn else None
    nothing = None if exhibits else element("p", "No trial has reported an epoch yet, so there is nothing to draw.")
    thinned = tell(len(view.study.trials))
    return element(
        "section",
        element(f"h{view.level}", "Search", id=view.anchor("search-title")),
        element("p", "Every score in this section is a validation score.", class_="lead"),
        nothing,
        element("p", thinned, class_="note") if thinned and exhibits else None,
        element("div", *[render_exhibit(exhibit, view) for exhibit in exhibits], class_="exhibits")
        if exhibits
        else None,
        element("p", missing, class_="note") if missing and exhibits else None,
        id=view.anchor("search"),
        aria_labelledby=view.title_ids("search"),
    )
