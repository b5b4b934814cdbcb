"""Several studies: those of one dataset side by side, those of different datasets apart."""

from collections.abc import Sequence

from tuner.report.figures import StudyView, render_figure
from tuner.report.headline import Headline
from tuner.report.markup import Html, element
from tuner.report.plots import families
from tuner.report.wording import count
from tuner.studies.records import StudyRecord

#: What must be equal for two accuracies to be about the same images.
_DATA_KEYS = ("data_sha256", "test_sha256")


def same_data_groups(studies: Sequence[StudyRecord]) -> list[list[int]]:
    """Return the positions of the studies that share dataset, classes and data hashes, in order of appearance."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, study in enumerate(studies):
        hashes = tuple(study.provenance.get(key) for key in _DATA_KEYS)
        groups.setdefault((study.dataset, study.class_names, hashes), []).append(position)
    return list(groups.values())


def render_comparison(studies: Sequence[StudyRecord], headlines: Sequence[Headline]) -> Html:
    """Write the section that compares; what cannot be compared, it says so."""
    groups = same_data_groups(studies)
    view = StudyView(study=studies[0], prefix="comparison", level=2)
    figures = [
        families.report_figure([headlines[position] for position in group], key=f"group-{number}")
        for number, group in enumerate(groups)
        if len(group) > 1
    ]
    apart = (
        f"These studies are about {count(len(groups), 'different set', 'different sets')} of images: accuracies on "
        "different images do not compare, and are not compared here."
    )
    return element(
        "section",
        element("h2", "Side by side", id="comparison-title"),
        element("p", apart, class_="lead") if len(groups) > 1 else None,
        element("div", *[render_figure(figure, view) for figure in figures], class_="figures") if figures else None,
        id="comparison",
        aria_labelledby="comparison-title",
    )
