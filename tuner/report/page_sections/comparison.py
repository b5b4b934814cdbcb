"""Comparison of several studies, grouped by the images that they are about."""

from collections.abc import Sequence

from tuner.bundles.ensemble import EnsembleDescription
from tuner.report.figures import StudyView, render_figure
from tuner.report.finals_results import FinalsResults
from tuner.report.headline import Headline
from tuner.report.markup import Html, element
from tuner.report.page_sections.ensembles import render_ensembles
from tuner.report.page_sections.models import render_models
from tuner.report.plots import families
from tuner.report.wording import count
from tuner.studies.records.study import StudyRecord


def same_data_groups(studies: Sequence[StudyRecord], headlines: Sequence[Headline]) -> list[list[int]]:
    """Return the positions of the studies whose accuracies are about the same images, in order of appearance.

    They share dataset, classes and the hash of the training images. Of test images no hash is stored: two test sets are
    taken for different ones when the labels beside the stored predictions differ; a study without any is untested.
    """
    groups: list[list[int]] = []
    for position, study in enumerate(studies):
        group = next(
            (
                group
                for group in groups
                if _training_data(studies[group[0]]) == _training_data(study)
                and len({headlines[other].test_labels_sha256 for other in (*group, position)} - {None}) <= 1
            ),
            None,
        )
        if group is None:
            groups.append([position])
        else:
            group.append(position)
    return groups


def _training_data(study: StudyRecord) -> tuple[object, ...]:
    return study.dataset, study.class_names, study.provenance.get("data_sha256")


def render_comparison(
    studies: Sequence[StudyRecord],
    headlines: Sequence[Headline],
    found: Sequence[FinalsResults],
    ensembles: Sequence[EnsembleDescription] = (),
) -> Html:
    """Write the section that compares the studies; it says which of them cannot be compared.

    Args:
        studies: Two or more.
        headlines: Theirs.
        found: Their finals' predictions.
        ensembles: Of models of these studies.
    """
    groups = same_data_groups(studies, headlines)
    view = StudyView(study=studies[0], prefix="comparison", level=2)
    figures = [
        families.report_figure([headlines[position] for position in group], key=f"group-{number}")
        for number, group in enumerate(groups)
        if len(group) > 1
    ]
    apart = (
        f"These studies are about {count(len(groups), 'different set', 'different sets')} of images: accuracies on "
        "different images cannot be compared."
    )
    return element(
        "section",
        element("h2", "Side by side", id="comparison-title"),
        element("p", apart, class_="lead") if len(groups) > 1 else None,
        element("div", *[render_figure(figure, view) for figure in figures], class_="figures") if figures else None,
        render_models(view, list(zip(studies, found, strict=True))),
        render_ensembles(ensembles),
        id="comparison",
        aria_labelledby="comparison-title",
    )
