"""A dataset's training images in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.catalogue import Dataset
from tuner.datasets.division.splits import VALIDATION_FRACTION, class_counts, warn_of_few
from tuner.datasets.images import LabelledImages
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.source import TrainingPart

_N_BINS = 16


@dataclass(frozen=True, kw_only=True)
class ClassShare:
    """One class among the training images."""

    name: str
    n_images: int
    #: In [0, 1].
    share: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The training images; nothing in it depends on the test set."""

    name: str
    description: str
    n_images: int
    #: How many of them are a validation set of the dataset's own; 0: validation images are drawn from all.
    n_validation: int
    height: int
    width: int
    #: 1 for grey, 3 for RGB.
    channels: int
    classes: tuple[ClassShare, ...]
    #: The size of the largest class divided by that of the smallest.
    imbalance: float
    #: Whether the dataset has a labelled test set; otherwise a fifth of its images is held out.
    has_test_set: bool
    #: SHA-256 of images, labels and class names.
    content_hash: str
    pixels: PixelMeaning
    #: Share of pixels, as models are given them, in each of 16 equal parts of black to white.
    histogram: tuple[float, ...]
    #: Files or arrays that are not read, by kind.
    left_out: Mapping[str, int]
    #: Guesses, files that are not read, and what else a person should know before a search: one line each.
    warnings: tuple[str, ...]


def summarise(dataset: Dataset, part: TrainingPart) -> Summary:
    """Count the training images that the dataset has loaded."""
    data = part.images
    counts = class_counts(data)
    height, width, channels = data.image_format.shape
    return Summary(
        name=dataset.name,
        description=dataset.description,
        n_images=len(data),
        n_validation=0 if data.is_validation is None else int(data.is_validation.sum()),
        height=height,
        width=width,
        channels=channels,
        classes=tuple(
            ClassShare(name=name, n_images=int(count), share=float(count / len(data)))
            for name, count in zip(data.class_names, counts, strict=True)
        ),
        imbalance=float(counts.max() / max(1, counts.min())),
        has_test_set=dataset.has_test_set,
        content_hash=data.content_hash(),
        pixels=part.pixels,
        histogram=_histogram(data.images),
        left_out=dict(dataset.left_out.counts),
        warnings=(*part.warnings, *_few_to_validate(data)),
    )


def _few_to_validate(data: LabelledImages) -> tuple[str, ...]:
    """Return a warning where a study's default settings leave a class few validation images."""
    if data.is_validation is None:
        counts = np.round(VALIDATION_FRACTION * class_counts(data)).astype(np.int64)
    else:
        counts = class_counts(data.take(np.flatnonzero(data.is_validation)))
    warning = warn_of_few(counts, data.class_names)
    return () if warning is None else (warning,)


def _histogram(images: NDArray[np.uint8]) -> tuple[float, ...]:
    counts = np.zeros(_N_BINS, np.int64)
    for image in images:
        counts += np.bincount(image.ravel() // (256 // _N_BINS), minlength=_N_BINS)
    return tuple((counts / counts.sum()).tolist())
