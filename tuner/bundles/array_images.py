"""Arrays of images as a bundle's model takes them, prepared as the study's own images were."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.bundles.bundle import BundleDescription
from tuner.datasets.formats.arrays import store_array
from tuner.datasets.pixels.part_comparison import check_range_and_polarity
from tuner.datasets.pixels.scaling import resize_images
from tuner.datasets.reading import UnreadableDataError

_log = logging.getLogger(__name__)
_WHERE = "images"


def read_images(images: NDArray[Any], description: BundleDescription) -> NDArray[np.uint8]:
    """Return images as the model takes them: uint8, shape (n, height, width, channels).

    Args:
        images: Shape (n, height, width) or (n, height, width, channels), in the range of the study's own images.
        description: Of the model.

    Raises:
        UnreadableDataError: They have another shape, size or range than the study's images.
    """
    expected, pixels = description.images, description.pixels
    if not len(images):
        return np.empty((0, *expected.shape), np.uint8)
    stored = store_array(images, where=_WHERE)
    if pixels is None:
        raise UnreadableDataError(_WHERE, "the bundle does not say what pixels mean", remedy="Give picture files.")
    if stored.channels != expected.channels:
        problem = f"they have {stored.channels} channels, expected {expected.channels} as in training"
        raise UnreadableDataError(_WHERE, problem, remedy="Give them in grey, or in RGB, as the study's were.")
    is_other_size = stored.values.shape[1:3] != expected.shape[:2]
    if is_other_size and not pixels.any_size:
        problem = f"they have the shape {stored.values.shape[1:]}, expected {expected.shape} as in training"
        raise UnreadableDataError(_WHERE, problem, remedy="Scale them first.")
    levels = pixels.to_levels(stored, where=_WHERE)
    for warning in check_range_and_polarity(levels, pixels, where=_WHERE):
        _log.warning("%s: %s", _WHERE, warning)
    if is_other_size:
        levels = resize_images(levels, (expected.height, expected.width), how=pixels.resize_how, where=_WHERE)
    return pixels.invert(levels)
