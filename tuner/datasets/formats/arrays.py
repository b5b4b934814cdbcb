"""Arrays of pixels as they are in files, with their shape and type checked."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.reading import StoredImages, UnreadableDataError

_WITHOUT_CHANNELS = 3
_WITH_CHANNELS = 4
_OPAQUE_CHANNELS = (1, 3)
#: How many fields an error names.
_MOST_NAMED = 5


def store_array(array: NDArray[Any], *, where: Path | str) -> StoredImages:
    """Return an array of images of a file.

    Args:
        array: Shape (n, height, width), or with 1 or 3 channels at the end; booleans, integers or floats of any range.
        where: What an error names.

    Raises:
        UnreadableDataError: It has another shape or type.
    """
    if array.dtype.kind not in "biuf":
        fields = array.dtype.names or ()
        received = f"records with the fields {', '.join(fields[:_MOST_NAMED])}" if fields else str(array.dtype)
        remedy = f"Store a field by itself, as `array[{fields[0]!r}]`." if fields else "Store uint8."
        raise UnreadableDataError(where, f"images are {received}, expected uint8 or floats", remedy=remedy)
    if array.ndim == _WITHOUT_CHANNELS:
        array = array[..., np.newaxis]
    if array.ndim != _WITH_CHANNELS or array.shape[3] not in _OPAQUE_CHANNELS or 0 in array.shape:
        raise UnreadableDataError(
            where,
            f"images have the shape {array.shape}, expected (n, height, width) or (n, height, width, 1 or 3)",
            remedy=_how_to_reshape(array.shape),
        )
    return StoredImages(values=array, stored_size=(array.shape[1], array.shape[2]))


def _how_to_reshape(shape: tuple[int, ...]) -> str:
    """Return how to change images of a shape that is not read; `reshape` alone would mix up colours."""
    if 0 in shape:
        return "It holds no images: store some."
    if len(shape) == 1:
        return "These may be the labels: check whether images and labels have changed places."
    if len(shape) == 2:  # noqa: PLR2004 - one row an image
        return (
            "Give each row its height and width: `images.reshape(len(images), height, width)`, and for colours that "
            "come one after the other `numpy.moveaxis(images.reshape(len(images), 3, height, width), 1, 3)`."
        )
    if len(shape) == _WITH_CHANNELS:
        return _how_to_move(shape)
    return "Give each image a height and a width; channels come last."


def _how_to_move(shape: tuple[int, ...]) -> str:
    if shape[1] in _OPAQUE_CHANNELS:
        return "If the channels come second, move them to the end: `numpy.moveaxis(images, 1, 3)`."
    if shape[2] in _OPAQUE_CHANNELS:
        return "If the images come last, move them to the front: `numpy.moveaxis(images, 3, 0)`."
    return "Where the last channel is opacity, leave it out: `images[..., :-1]`, or save PNG files in class folders."
