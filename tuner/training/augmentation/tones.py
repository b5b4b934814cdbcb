"""Brightness and contrast."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tuner.training.augmentation.kind import Draws, ImageShape, Streams
from tuner.training_settings import Augmentation


class Tones:
    """A `Kind`: contrast scales each image's differences from its mean, brightness is added to every pixel."""

    STREAMS: ClassVar[tuple[int, ...]] = (4,)

    def __init__(self, augmentation: Augmentation) -> None:
        self._contrast, self._brightness = augmentation.contrast, augmentation.brightness

    @classmethod
    def set_up(cls, augmentation: Augmentation, shape: ImageShape) -> Self | None:
        """See `Kind`."""
        del shape
        return cls(augmentation) if augmentation.brightness or augmentation.contrast else None

    def draw(self, streams: Streams, n: int, batch_size: int) -> dict[str, NDArray[np.float32]]:
        """Draw each image's factor of contrast and what is added to it: float32, shape (n, 2)."""
        del batch_size
        contrast, brightness = streams(self.STREAMS[0]).uniform(-1, 1, (2, n))
        tones = [1 + contrast * self._contrast, brightness * self._brightness]
        return {"tones": np.stack(tones, axis=1).astype(np.float32)}

    def apply(self, pictures: Any, others: Sequence[Any], draws: Draws) -> tuple[Any, Sequence[Any]]:
        """See `Kind`."""
        factors, added = (draws["tones"][:, index, None, None, None] for index in (0, 1))
        means = ops.mean(pictures, axis=(1, 2, 3), keepdims=True)
        return ops.clip((pictures - means) * factors + means + added, 0.0, 1.0), others
