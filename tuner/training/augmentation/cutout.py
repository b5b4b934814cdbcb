"""Cutout, DeVries & Taylor, arXiv:1708.04552: one square of each image becomes black."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tuner.training.augmentation.boxes import inside
from tuner.training.augmentation.kind import Draws, ImageShape, Streams
from tuner.training_settings import Augmentation


class Cutout:
    """A `Kind`: the centre of the square is anywhere in the image, so that part of it may lie outside."""

    STREAMS: ClassVar[tuple[int, ...]] = (2,)

    def __init__(self, side: int, shape: ImageShape) -> None:
        self._side, (self._height, self._width, _) = side, shape

    @classmethod
    def set_up(cls, augmentation: Augmentation, shape: ImageShape) -> Self | None:
        """See `Kind`."""
        side = round(augmentation.cutout * min(shape[:2]))
        return cls(side, shape) if side else None

    def draw(self, streams: Streams, n: int, batch_size: int) -> dict[str, NDArray[np.int32]]:
        """Draw the top left corner of each image's square: int32, shape (n, 2), row and column, possibly negative."""
        del batch_size
        centres = streams(self.STREAMS[0]).integers(0, (self._height, self._width), (n, 2), dtype=np.int32)
        return {"corners": centres - np.int32(self._side // 2)}

    def apply(self, pictures: Any, others: Sequence[Any], draws: Draws) -> tuple[Any, Sequence[Any]]:
        """See `Kind`."""
        corners = draws["corners"]
        cut = inside(corners, corners + self._side, height=self._height, width=self._width)
        return ops.where(cut, 0.0, pictures), others
