"""Whether pictures are dark on light or light on dark: models of characters see bright strokes on black.

Only small grey pictures have a polarity: large ones are photographs more often than characters. `decision`
decides for a whole dataset, `tuner.datasets.pictures.predicted` for a photograph of a single character.
"""

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import ImageFormat
from tuner.datasets.stored_rows import windows

#: Longest side, in pixels, that still counts as small.
_LARGEST_SMALL_SIDE = 64


def shows_strokes(image_format: ImageFormat) -> bool:
    """Say whether pictures of this format are small and grey."""
    return image_format.channels == 1 and max(image_format.height, image_format.width) <= _LARGEST_SMALL_SIDE


def are_dark_on_light(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say for each image whether its border is brighter than the image on average; shape (n,).

    Args:
        images: uint8, shape (n, height, width, 1).
    """
    is_brighter = np.empty(len(images), np.bool_)
    for window in windows(images):
        grey = images[window, ..., 0]
        border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, 1:-1, 0], grey[:, 1:-1, -1]], axis=1)
        is_brighter[window] = np.median(border, axis=1) > grey.mean(axis=(1, 2))
    return is_brighter
