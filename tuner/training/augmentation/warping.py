"""Rotation, zoom, shear, shift and elastic displacement, in one interpolation.

Four Keras layers in a row would interpolate four times, and one of them in a model turns compilation off (Keras 3.15).
Elastic displacement is Simard et al., ICDAR 2003: noise smoothed by a Gaussian, one field for each direction.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops
from numpy.typing import NDArray

from tuner.training.augmentation.kind import Draws, ImageShape, Streams
from tuner.training_settings import Augmentation

#: Noise is an integer from -128 to 127, all equally likely: this many make its standard deviation.
NOISE_MEAN, NOISE_SD = -0.5, math.sqrt((256**2 - 1) / 12)
#: Standard deviations at which the smoothing Gaussian is cut off.
_REACH = 3


class Warping:
    """A `Kind`: each pixel is taken from another place of its image, from black beyond the border."""

    STREAMS: ClassVar[tuple[int, ...]] = (1, 3)

    def __init__(self, augmentation: Augmentation, shape: ImageShape) -> None:
        self._augmentation = augmentation
        self._height, self._width, _ = shape
        self._moves = any((augmentation.rotation, augmentation.zoom, augmentation.shift, augmentation.shear))
        self._smoothing = [
            smoothing_weights(augmentation.elastic_smoothness, side) for side in (self._height, self._width)
        ]

    @classmethod
    def set_up(cls, augmentation: Augmentation, shape: ImageShape) -> Self | None:
        """See `Kind`."""
        warping = cls(augmentation, shape)
        return warping if warping._moves or augmentation.elastic else None

    def draw(self, streams: Streams, n: int, batch_size: int) -> dict[str, NDArray[Any]]:
        """Draw `transforms`, see `draw_transforms`, and `noise`, see `draw_noise`, where they are on."""
        del batch_size
        of_transforms, of_noise = self.STREAMS
        draws: dict[str, NDArray[Any]] = {}
        if self._moves:
            draws["transforms"] = draw_transforms(
                self._augmentation, n, self._height, self._width, streams(of_transforms)
            )
        if self._augmentation.elastic:
            draws["noise"] = draw_noise(self._augmentation, n, streams(of_noise))
        return draws

    def apply(self, pictures: Any, others: Sequence[Any], draws: Draws) -> tuple[Any, Sequence[Any]]:
        """See `Kind`."""
        if "noise" in draws:
            return self._displace(pictures, draws.get("transforms"), draws["noise"]), others
        moved = ops.image.affine_transform(
            pictures, draws["transforms"], "bilinear", "constant", 0, data_format="channels_last"
        )
        return moved, others

    def _displace(self, pictures: Any, transforms: Any | None, noise: Any) -> Any:
        """Move each pixel's source by a smooth field, on top of the affine map, in one interpolation."""
        down, across = self._smoothing
        elastic = self._augmentation.elastic
        unit = ops.transpose((ops.cast(noise, "float32") - NOISE_MEAN) / NOISE_SD, (0, 3, 1, 2))
        # Two products: one einsum of all three takes three times as long in TensorFlow.
        fields = ops.matmul(ops.matmul(down, unit), np.ascontiguousarray(across.T))
        rows, columns = fields[:, 0] * (elastic * self._height), fields[:, 1] * (elastic * self._width)
        y, x = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in (self._height, self._width)), indexing="ij")
        if transforms is None:
            return _interpolate(pictures, rows + y, columns + x)
        a0, a1, a2, b0, b1, b2 = (transforms[:, index, None, None] for index in range(6))
        return _interpolate(pictures, rows + b0 * x + b1 * y + b2, columns + a0 * x + a1 * y + a2)


def draw_transforms(
    augmentation: Augmentation, n: int, height: int, width: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw one affine map for each of `n` images.

    Returns:
        float32, shape (n, 8): the rows (a0, a1, a2, b0, b1, b2, 0, 0) of `keras.ops.image.affine_transform`. The
        output pixel at column x and row y is taken from column a0·x + a1·y + a2 and row b0·x + b1·y + b2; the centre
        of the image is the fixed point of everything but the shift.
    """
    angle, shear, shift_x, shift_y, zoom_x, zoom_y = rng.uniform(-1, 1, (6, n))
    angle = np.deg2rad(angle * augmentation.rotation)
    shear = shear * augmentation.shear
    scale_x, scale_y = 1 / (1 + zoom_x * augmentation.zoom), 1 / (1 + zoom_y * augmentation.zoom)
    cosine, sine = np.cos(angle), np.sin(angle)
    # Rotation · shear · scale, from the output's coordinates to the input's.
    a0, a1 = cosine * scale_x, (cosine * shear - sine) * scale_y
    b0, b1 = sine * scale_x, (sine * shear + cosine) * scale_y
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    a2 = centre_x - a0 * centre_x - a1 * centre_y + shift_x * augmentation.shift * width
    b2 = centre_y - b0 * centre_x - b1 * centre_y + shift_y * augmentation.shift * height
    zero = np.zeros(n)
    return np.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1).astype(np.float32)


def count_nodes(smoothness: float) -> int:
    """Return how many nodes of noise, one standard deviation of the Gaussian apart, reach one side of an image.

    Noise on a lattice as wide as that gives fields whose covariance is within 0.01 % of dense noise's, whatever the
    size of the image, so that little must be drawn.
    """
    return math.ceil(1 / smoothness) + 2 * _REACH + 1


def smoothing_weights(smoothness: float, length: int) -> NDArray[np.float32]:
    """Return what each node adds to each pixel along one side.

    Returns:
        float32, shape (length, nodes); the squares of each row add up to 1, so that unit noise has unit displacements.
    """
    nodes = (np.arange(count_nodes(smoothness)) - _REACH) * smoothness
    pixels = (np.arange(length) + 0.5) / length
    weights = np.exp(-((pixels[:, None] - nodes) ** 2) / (2 * smoothness**2))
    unit: NDArray[np.float64] = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return unit.astype(np.float32)


def draw_noise(augmentation: Augmentation, n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw the noise of each image's elastic displacement: int8, shape (n, nodes, nodes, 2), down and sideways."""
    nodes = count_nodes(augmentation.elastic_smoothness)
    return rng.integers(-128, 128, (n, nodes, nodes, 2), dtype=np.int8)


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
