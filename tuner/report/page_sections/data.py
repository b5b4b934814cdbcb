"""The images that a study or a dataset is about: samples of each class, class balance, and augmented ones."""

from collections.abc import Sequence

import numpy as np

from tuner.bundles.study_pictures import DataPictures
from tuner.datasets.fonts import is_latin, romanise
from tuner.report.figures import View, render_figure
from tuner.report.markup import Html
from tuner.report.plots import class_balance
from tuner.report.templating import fill
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
    class_names = [readable_name(name) for name in class_names]
    return fill(
        "data",
        view=view,
        balance=render_figure(class_balance.report_figure(data.class_counts, class_names), view),
        described=_describe_samples(data, class_names),
        samples=_samples(data, class_names),
        n_versions=None if data.augmented is None else data.augmented.shape[1],
        augmented=_augmented(data),
    )


def readable_name(name: str) -> str:
    """Return a class's name and, if it is in another script, how it is read: `お (o)`."""
    return name if is_latin(name) else f"{name} ({romanise(name)})"


def _describe_samples(data: DataPictures, class_names: Sequence[str]) -> str:
    n_shown = len(np.unique(data.sample_labels))
    which = f"the first {n_shown} of {len(class_names)} classes" if n_shown < len(class_names) else "every class"
    n_each = int(np.unique(data.sample_labels, return_counts=True)[1].max())
    return f"{count(n_each, 'image')} of {which}, taken evenly from all of a class."


def _samples(data: DataPictures, class_names: Sequence[str]) -> list[tuple[str, Html]]:
    """Return the name of each class, and some of its training images as one picture."""
    samples = []
    for label in np.unique(data.sample_labels):
        name = class_names[label]
        images = list(data.sample_images[data.sample_labels == label])
        alt = f"{count(len(images), 'training image')} of class {name}."
        sheet = tile(images, columns=len(images))
        samples.append((name, picture_element(sheet, alt=alt, scale=_scale(images[0].shape))))
    return samples


def _augmented(data: DataPictures) -> list[tuple[Html, Html]]:
    """Return training images, each with its augmented versions; none where none are stored."""
    if data.originals is None or data.augmented is None:
        return []
    n_versions = data.augmented.shape[1]
    return [
        (
            picture_element(tile([original], columns=1), alt=f"Training image {number}.", scale=_scale(original.shape)),
            picture_element(
                tile(list(versions), columns=n_versions),
                alt=f"{n_versions} augmented versions of training image {number}.",
                scale=_scale(original.shape),
            ),
        )
        for number, (original, versions) in enumerate(zip(data.originals, data.augmented, strict=True), start=1)
    ]


def _scale(shape: tuple[int, ...]) -> float:
    return min(_TILE_PX / max(shape[:2]), _LARGEST_SCALE)
