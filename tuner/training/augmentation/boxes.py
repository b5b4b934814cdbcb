"""Boxes in images, which cutout and cutmix have in common."""

from typing import Any

import numpy as np
from keras import ops


def inside(starts: Any, ends: Any, *, height: int, width: int) -> Any:
    """Say which pixels lie in each image's box: bool, shape (batch, height, width, 1).

    Args:
        starts: int32, shape (batch, 2): the box's first row and column.
        ends: int32, shape (batch, 2): those after its last ones.
        height: Of the images.
        width: Of the images.
    """
    rows, columns = (
        ops.logical_and(pixels >= starts[:, side, None], pixels < ends[:, side, None])
        for side, pixels in enumerate((np.arange(height)[None], np.arange(width)[None]))
    )
    return ops.logical_and(rows[:, :, None, None], columns[:, None, :, None])
