"""The whole page: one HTML file that needs no other file and no network."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from tuner.artifacts import ArtifactStore
from tuner.bundles.ensemble import list_ensembles
from tuner.report.document import render_document, write_page
from tuner.report.figures import StudyView
from tuner.report.finals_results import FinalsResults, read_finals_results
from tuner.report.headline import Headline, build_headline
from tuner.report.markup import Html, join
from tuner.report.page_sections.comparison import render_comparison
from tuner.report.page_sections.data import render_data
from tuner.report.page_sections.ensembles import ensembles_of
from tuner.report.page_sections.factors import render_factors
from tuner.report.page_sections.finals import render_finals
from tuner.report.page_sections.layers import render_layers
from tuner.report.page_sections.overview import render_overview
from tuner.report.page_sections.provenance import render_provenance
from tuner.report.page_sections.search import render_search
from tuner.report.page_sections.trials import render_trials
from tuner.report.templating import fill
from tuner.report.wording import count
from tuner.studies.records.study import StudyRecord

_PARTS = (
    ("overview", "Overview"),
    ("data", "Data"),
    ("search", "Search"),
    ("finals", "Finals"),
    ("layers", "Layers"),
    ("trials", "Trials"),
    ("provenance", "Provenance"),
)
#: Before the search of a study that compares one factor at a time.
_FACTORS = ("factors", "One factor at a time")
#: Those that only studies have whose finals stored pictures.
_OF_PICTURES = ("data", "layers")


def write_report(records: Sequence[StudyRecord], artifacts: ArtifactStore, path: Path) -> Path:
    """Write the report of one or several studies and return its absolute path; an older file is replaced.

    Raises:
        PageNotWrittenError: The file cannot be written.
    """
    return write_page(render_report(records, artifacts), path)


def render_report(records: Sequence[StudyRecord], artifacts: ArtifactStore) -> str:
    """Return the report of one or several studies as one HTML document.

    Args:
        records: At least one study; several on one dataset are shown side by side first.
        artifacts: Where the predictions of finals and ensembles lie; the page says which are missing.

    Raises:
        ValueError: No study was given.
    """
    if not records:
        raise ValueError("Received no study, expected at least one.")
    found = [read_finals_results(study, artifacts) for study in records]
    headlines = [build_headline(study, results) for study, results in zip(records, found, strict=True)]
    views = [
        StudyView(study=study, prefix=f"study{number}", level=2 if len(records) == 1 else 3)
        for number, study in enumerate(records, start=1)
    ]
    parts = [_study_parts(*triple) for triple in zip(views, headlines, found, strict=True)]
    shown = list(zip(views, parts, strict=True))
    if len(records) == 1:
        return _document(heading=records[0].name, contents=_contents(views[0], found[0]), studies=shown)
    return _document(
        heading=count(len(records), "study", "studies").replace("\u00a0", " "),
        lead=", ".join(study.name for study in records),
        contents=[("comparison", "Side by side"), *((view.prefix, view.study.name) for view in views)],
        comparison=render_comparison(records, headlines, found, ensembles_of(records, list_ensembles(artifacts))),
        studies=shown,
    )


def _study_parts(view: StudyView, headline: Headline, results: FinalsResults) -> Html:
    return join(
        [
            render_overview(view, headline, results),
            _data(view, results),
            render_factors(view),
            render_search(view),
            render_finals(view, headline, results),
            _layers(view, results),
            render_trials(view),
            render_provenance(view),
        ]
    )


def _data(view: StudyView, results: FinalsResults) -> Html | None:
    if results.pictures is None:
        return None
    lead = (
        "The images of the search, divided into training and validation, and those of the test set, which are counted "
        "and not shown."
    )
    shown = render_data(view, results.pictures.data, view.study.class_names)
    return fill("section", view=view, key="data", title="Data", lead=lead, parts=[shown])


def _layers(view: StudyView, results: FinalsResults) -> Html | None:
    if results.pictures is None or results.pictured is None:
        return None
    lead = f"Of final {results.pictured.rank}, repeat 1. `tuner inspect BUNDLE IMAGE` shows other models and images."
    shown = render_layers(
        dataclasses.replace(view, prefix=view.anchor("layers")),
        results.pictures.layers,
        names=results.pictures.layer_names,
        class_names=view.study.class_names,
    )
    return fill("section", view=view, key="layers", title="What the layers see", lead=lead, parts=[shown])


def _contents(view: StudyView, results: FinalsResults) -> list[tuple[str, str]]:
    shown = [part for part in _PARTS if results.pictures is not None or part[0] not in _OF_PICTURES]
    if any(trial.varied for trial in view.study.trials):
        shown.insert(next(index for index, (key, _) in enumerate(shown) if key == "search"), _FACTORS)
    return [(view.anchor(key), title) for key, title in shown]


def _document(
    *,
    heading: str,
    contents: Sequence[tuple[str, str]],
    studies: Sequence[tuple[StudyView, Html]],
    lead: str | None = None,
    comparison: Html | None = None,
) -> str:
    return render_document(
        "report",
        title=f"{heading} · tuner report",
        heading=heading,
        lead=lead,
        contents=contents,
        comparison=comparison,
        studies=studies,
    )
