"""From stored images to what a model takes: the same operations in a TensorFlow graph, under JAX and outside both."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from tuner.training.augmentation import NOISE_MEAN, NOISE_SD, Augmentation, Mixing, smoothing_weights
from tuner.training.epoch_draws import ImageDraws


def scale(images: Any) -> Any:
    """Turn uint8 pixels into float32 in [0, 1]."""
    return ops.cast(images, "float32") / 255


class Augmenter:
    """Applies drawn changes to batches of images."""

    def __init__(self, augmentation: Augmentation | None, image_shape: tuple[int, int, int]) -> None:
        self._height, self._width, _ = image_shape
        augmentation = augmentation or Augmentation()
        self._cutout_side = augmentation.cutout_side(self._height, self._width)
        self._elastic = augmentation.elastic
        self._smoothing = [
            smoothing_weights(augmentation.elastic_smoothness, side) for side in (self._height, self._width)
        ]

    def __call__(self, images: Any, others: Sequence[Any], draws: ImageDraws) -> tuple[Any, ...]:
        """Scale, then move, change the tones, cut and mix, each where it was drawn.

        Args:
            images: uint8, shape (batch, height, width, channels).
            others: Targets, and weights if there are any; first axis batch. Mixing needs one-hot targets.
            draws: Of these images.

        Returns:
            The pictures, float32, shape (batch, height, width, channels), in [0, 1]; then the others, mixed likewise.
        """
        pictures = scale(images)
        if draws.noise is not None:
            pictures = self._displace(pictures, draws.transforms, draws.noise)
        elif draws.transforms is not None:
            pictures = ops.image.affine_transform(
                pictures, draws.transforms, "bilinear", "constant", 0, data_format="channels_last"
            )
        if draws.tones is not None:
            factors, added = (draws.tones[:, index, None, None, None] for index in (0, 1))
            means = ops.mean(pictures, axis=(1, 2, 3), keepdims=True)
            pictures = ops.clip((pictures - means) * factors + means + added, 0.0, 1.0)
        if draws.cutout_corners is not None:
            inside = self._inside(draws.cutout_corners, draws.cutout_corners + self._cutout_side)
            pictures = ops.where(inside, 0.0, pictures)
        if draws.mixing is not None:
            return self._mix(pictures, others, draws.mixing)
        return pictures, *others

    def _displace(self, pictures: Any, transforms: Any | None, noise: Any) -> Any:
        """Move each pixel's source by a smooth field, on top of the affine map, in one interpolation."""
        down, across = self._smoothing
        unit = ops.transpose((ops.cast(noise, "float32") - NOISE_MEAN) / NOISE_SD, (0, 3, 1, 2))
        # Two products: one einsum of all three takes three times as long in TensorFlow.
        fields = ops.matmul(ops.matmul(down, unit), np.ascontiguousarray(across.T))
        rows, columns = fields[:, 0] * (self._elastic * self._height), fields[:, 1] * (self._elastic * self._width)
        y, x = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in (self._height, self._width)), indexing="ij")
        if transforms is None:
            return _interpolate(pictures, rows + y, columns + x)
        a0, a1, a2, b0, b1, b2 = (transforms[:, index, None, None] for index in range(6))
        return _interpolate(pictures, rows + b0 * x + b1 * y + b2, columns + a0 * x + a1 * y + a2)

    def _mix(self, pictures: Any, others: Sequence[Any], mixing: Mixing) -> tuple[Any, ...]:
        box, blends = mixing.boxes, mixing.blends
        partners = ops.take(pictures, mixing.partners, axis=0)
        shares = blends[:, None, None, None]
        mixed = ops.where(self._inside(box[:, :2], box[:, 2:]), partners, shares * pictures + (1 - shares) * partners)
        areas = ops.cast((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]), "float32") / (self._height * self._width)
        kept = blends * (1 - areas)
        return mixed, *(_blend(other, ops.take(other, mixing.partners, axis=0), kept) for other in others)

    def _inside(self, starts: Any, ends: Any) -> Any:
        """Say which pixels lie in each image's box: bool, shape (batch, height, width, 1).

        Args:
            starts: int32, shape (batch, 2): the box's first row and column.
            ends: int32, shape (batch, 2): those after its last ones.
        """
        rows, columns = (
            ops.logical_and(pixels >= starts[:, side, None], pixels < ends[:, side, None])
            for side, pixels in enumerate((np.arange(self._height)[None], np.arange(self._width)[None]))
        )
        return ops.logical_and(rows[:, :, None, None], columns[:, None, :, None])


def _blend(own: Any, partner: Any, shares: Any) -> Any:
    shares = ops.reshape(shares, (-1, *[1] * (len(own.shape) - 1)))
    return shares * own + (1 - shares) * partner


def _interpolate(pictures: Any, rows: Any, columns: Any) -> Any:
    """Take each output pixel from between four others, beyond the border from black ones.

    Args:
        pictures: float32, shape (batch, height, width, channels).
        rows: float32, shape (batch, height, width), in pixels.
        columns: Likewise.
    """
    batch, height, width, channels = ops.shape(pictures)
    padded = ops.pad(pictures, [[0, 0], [1, 1], [1, 1], [0, 0]])
    flat = ops.reshape(padded, (-1, channels))
    starts = ops.reshape(ops.arange(batch) * ((height + 2) * (width + 2)), (-1, 1, 1))
    row, column = ops.clip(rows + 1, 0.0, height + 1.0), ops.clip(columns + 1, 0.0, width + 1.0)
    top, left = ops.floor(row), ops.floor(column)
    sums: Any = 0.0
    for below, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        # The weight of a neighbour beyond the padding is 0.
        y, x = ops.minimum(top + below, height + 1.0), ops.minimum(left + right, width + 1.0)
        weight = (row - top if below else 1 - row + top) * (column - left if right else 1 - column + left)
        index = starts + ops.cast(y, "int32") * (width + 2) + ops.cast(x, "int32")
        sums = sums + weight[..., None] * ops.take(flat, index, axis=0)
    return sums
