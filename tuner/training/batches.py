"""From stored images to what a model takes: the same operations in a TensorFlow graph, under JAX and outside both."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tuner.training.augmentation import Augmentation


def scale(images: Any) -> Any:
    """Turn uint8 pixels into float32 in [0, 1]."""
    return ops.cast(images, "float32") / 255


class Augmenter:
    """Applies drawn changes to batches of images."""

    def __init__(self, augmentation: Augmentation | None, image_shape: tuple[int, int, int]) -> None:
        self._height, self._width, _ = image_shape
        self._cutout_side = augmentation.cutout_side(self._height, self._width) if augmentation else 0

    def __call__(self, images: Any, transforms: Any | None, cutout_corners: Any | None) -> Any:
        """Scale, then move, then cut, each where it was drawn.

        Args:
            images: uint8, shape (batch, height, width, channels).
            transforms: float32, shape (batch, 8), see `draw_transforms`.
            cutout_corners: int32, shape (batch, 2), see `draw_cutout_corners`.

        Returns:
            float32, shape (batch, height, width, channels), in [0, 1].
        """
        pictures = scale(images)
        if transforms is not None:
            pictures = ops.image.affine_transform(
                pictures, transforms, "bilinear", "constant", 0, data_format="channels_last"
            )
        if cutout_corners is not None:
            rows = self._inside(cutout_corners[:, 0], self._height)[:, :, None, None]
            columns = self._inside(cutout_corners[:, 1], self._width)[:, None, :, None]
            pictures = ops.where(ops.logical_and(rows, columns), 0.0, pictures)
        return pictures

    def _inside(self, starts: Any, length: int) -> Any:
        """Say which of `length` pixels lie in the cut square: bool, shape (batch, length)."""
        pixels = ops.arange(length, dtype="int32")[None, :]
        start = starts[:, None]
        return ops.logical_and(pixels >= start, pixels < start + self._cutout_side)


def encode_targets(model: keras.Model, labels: NDArray[np.int64], n_classes: int) -> NDArray[Any]:
    """Return the targets that the model's loss expects.

    Returns:
        int32, shape (n,), for a loss with `sparse` in its name; else one-hot float32, shape (n, n_classes).
    """
    if _takes_class_indices(model.loss):
        return labels.astype(np.int32)
    return np.eye(n_classes, dtype=np.float32)[labels]


def _takes_class_indices(loss: Any) -> bool:
    names = (loss, getattr(loss, "name", ""), getattr(loss, "__name__", ""), type(loss).__name__)
    return any("sparse" in name.lower() for name in names if isinstance(name, str))
