"""The images that a study or a dataset is about: samples of each class, class balance, and augmented ones."""

from collections.abc import Sequence

import numpy as np

from tuner.bundles.study_pictures import DataPictures
from tuner.datasets.fonts import is_latin, romanise
from tuner.report.figures import View, render_figure
from tuner.report.markup import Html, element, join
from tuner.report.plots import class_balance
from tuner.report.tiles import picture_element, tile
from tuner.report.wording import count

#: CSS pixels of a tile's longest side, and how far a single pixel is enlarged at most.
_TILE_PX, _LARGEST_SCALE = 40, 4


def render_data(view: View, data: DataPictures, class_names: Sequence[str]) -> Html:
    """Write samples with their labels, class balance, and augmented images beside their originals.

    Args:
        view: Where on the page.
        data: The pictures.
        class_names: In the order of the labels.
    """
    level = f"h{view.level + 1}"
    class_names = [readable_name(name) for name in class_names]
    balance = render_figure(class_balance.report_figure(data.class_counts, class_names), view)
    return join(
        [
            element("div", balance, class_="figures"),
            element(
                "div",
                element(level, "Training images of each class", id=view.anchor("samples")),
                element("p", _describe_samples(data, class_names), class_="lead"),
                element("ul", *_samples(data, class_names), class_="samples"),
                class_="block",
            ),
            _augmented(view, data, level),
        ]
    )


def readable_name(name: str) -> str:
    """Return a class's name and, if it is in another script, how it is read: `お (o)`."""
    return name if is_latin(name) else f"{name} ({romanise(name)})"


def _describe_samples(data: DataPictures, class_names: Sequence[str]) -> str:
    n_shown = len(np.unique(data.sample_labels))
    which = f"the first {n_shown} of {len(class_names)} classes" if n_shown < len(class_names) else "every class"
    n_each = int(np.unique(data.sample_labels, return_counts=True)[1].max())
    return f"{count(n_each, 'image')} of {which}, taken evenly from all of a class."


def _samples(data: DataPictures, class_names: Sequence[str]) -> list[Html]:
    items = []
    for label in np.unique(data.sample_labels):
        name = class_names[label]
        images = list(data.sample_images[data.sample_labels == label])
        items.append(
            element(
                "li",
                element("span", name),
                picture_element(
                    tile(images, columns=len(images)),
                    alt=f"{count(len(images), 'training image')} of class {name}.",
                    scale=_scale(images[0].shape),
                ),
            )
        )
    return items


def _augmented(view: View, data: DataPictures, level: str) -> Html | None:
    if data.originals is None or data.augmented is None:
        return None
    n_versions = data.augmented.shape[1]
    lead = f"Left the training image, right {n_versions} versions of it, as {n_versions} epochs of retraining show it."
    items = [
        element(
            "li",
            picture_element(tile([original], columns=1), alt=f"Training image {number}.", scale=_scale(original.shape)),
            picture_element(
                tile(list(versions), columns=n_versions),
                alt=f"{n_versions} augmented versions of training image {number}.",
                scale=_scale(original.shape),
            ),
        )
        for number, (original, versions) in enumerate(zip(data.originals, data.augmented, strict=True), start=1)
    ]
    return element(
        "div",
        element(level, "Augmented images beside their originals", id=view.anchor("augmented")),
        element("p", lead, class_="lead"),
        element("ul", *items, class_="augmented"),
        class_="block",
    )


def _scale(shape: tuple[int, ...]) -> float:
    return min(_TILE_PX / max(shape[:2]), _LARGEST_SCALE)
