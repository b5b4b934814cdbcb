"""The page of `tuner inspect`: a bundle, and what its layers see of some images."""

from collections.abc import Sequence
from pathlib import Path

from tuner.bundles.bundle import BundleDescription
from tuner.bundles.layer_pictures import LayerPictures
from tuner.report.document import render_document, write_page
from tuner.report.figures import View
from tuner.report.markup import Child, definition_list
from tuner.report.page_sections.layers import render_layers
from tuner.report.wording import percent, setting


def write_inspection(
    description: BundleDescription, pictures: LayerPictures, *, names: Sequence[str], n_parameters: int, path: Path
) -> Path:
    """Write the page and return its absolute path; an older file is replaced.

    Args:
        description: Of the bundle.
        pictures: What the layers see.
        names: Of the images.
        n_parameters: Numbers in the model's weights.
        path: The file.

    Raises:
        PageNotWrittenError: The file cannot be written.
    """
    page = render_inspection(description, pictures, names=names, n_parameters=n_parameters)
    return write_page(page, path)


def render_inspection(
    description: BundleDescription, pictures: LayerPictures, *, names: Sequence[str], n_parameters: int
) -> str:
    """Return the page as one HTML document."""
    provenance = description.provenance
    title = f"{provenance.study}, trial {provenance.trial}"
    height, width, channels = description.images.shape
    facts: list[tuple[str, Child]] = [
        ("Space", description.space),
        ("Model parameters", f"{n_parameters:,}"),
        ("Images", f"{height}x{width} {'grey' if channels == 1 else 'RGB'}"),
        ("Classes", str(description.images.n_classes)),
        ("Test accuracy", percent(provenance.test_accuracy)),
        ("Seed", str(provenance.seed)),
    ]
    settings: list[tuple[str, Child]] = [(name, setting(value)) for name, value in description.hyperparameters.items()]
    return render_document(
        "inspection",
        title=f"{title} · tuner inspect",
        plots=False,
        heading=title,
        facts=definition_list(facts),
        settings=definition_list(settings, class_="settings") if settings else None,
        layers=render_layers(View(prefix="layers"), pictures, names=names, class_names=description.images.class_names),
    )
