"""The page of `tuner dataset show --html`: a dataset's training images."""

from pathlib import Path

from tuner.bundles.study_pictures import DataPictures
from tuner.datasets.summary import Summary
from tuner.report.document import render_document, write_page
from tuner.report.figures import View
from tuner.report.markup import Child, definition_list
from tuner.report.page_sections.data import render_data


def write_dataset_page(summary: Summary, data: DataPictures, path: Path) -> Path:
    """Write the page and return its absolute path; an older file is replaced.

    Raises:
        PageNotWrittenError: The file cannot be written.
    """
    return write_page(render_dataset(summary, data), path, option="--html")


def render_dataset(summary: Summary, data: DataPictures) -> str:
    """Return the page as one HTML document."""
    kind = "grey" if summary.channels == 1 else "RGB"
    facts: list[tuple[str, Child]] = [
        ("Training images", f"{summary.n_images:,}"),
        ("Size", f"{summary.height}x{summary.width} {kind}"),
        ("Classes", f"{len(summary.classes):,}"),
        ("Largest to smallest class", f"{summary.imbalance:.2f}"),
        ("Test set", "its own" if summary.has_test_set else "a fifth of every class, held out"),
        ("Pixels", summary.pixels.describe()),
    ]
    return render_document(
        "dataset",
        title=f"{summary.name} · tuner dataset show",
        summary=summary,
        facts=definition_list(facts),
        images=render_data(View(prefix="data"), data, [shown.name for shown in summary.classes]),
    )
