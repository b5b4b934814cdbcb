"""Pictures that are stored in colour and show grey: their three channels are equal, as those of every grey GIF or WebP.

A viewer shows no difference, and a net takes a third of the numbers. New studies read such a dataset as grey; what a
study has stored of its pixels (`PixelMeaning.channels`) holds for all of its reading.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.large_arrays import empty_array
from tuner.datasets.reading import StoredImages
from tuner.datasets.stored_rows import windows

_GREY, _RGB = 1, 3
#: Of red, green and blue in 65,536ths, as Pillow turns colours into grey. Equal ones stay exactly what they are.
_SHARES = np.array([19_595, 38_470, 7_471], np.uint32)


def show_grey(images: StoredImages) -> bool:
    """Say whether picture files of three channels have equal ones everywhere; arrays are taken as they are."""
    if images.bits is None or images.channels != _RGB:
        return False
    for window in windows(images.values):
        colours = images.values[window][..., :_RGB]
        if not (colours[..., :1] == colours[..., 1:]).all():
            return False
    return True


def to_grey(images: StoredImages, *, where: Path | str) -> StoredImages:
    """Return images of three channels as grey ones, with their opacity.

    Raises:
        UnreadableDataError: They fit neither into memory nor on the disk.
    """
    values = images.values
    grey = empty_array((*values.shape[:3], _GREY + images.has_alpha), values.dtype, where=where)
    for window in windows(values):
        grey[window, ..., 0] = _to_levels(values[window][..., :_RGB])
        grey[window, ..., 1:] = values[window][..., _RGB:]
    return replace(images, values=grey)


def _to_levels(colours: NDArray[np.generic]) -> NDArray[np.generic]:
    if colours.dtype != np.uint8:
        # Pictures of more bits are stored in grey, and have one channel three times.
        return colours[..., 0]
    return ((colours.astype(np.uint32) @ _SHARES + 0x8000) >> 16).astype(np.uint8)
