"""How images are changed at random while training, drawn on the host so that every backend sees the same pictures.

Rotation, zoom, shear and shift are one affine map an image, applied once: four Keras layers in a row interpolate four
times, and one of them in a model turns compilation off (Keras 3.15). Cutout is DeVries & Taylor, arXiv:1708.04552.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The largest change of each kind; every image of every epoch draws its own uniformly. 0 is off."""

    #: Degrees to either side.
    rotation: float = 0.0
    #: Fraction by which height and width, each on its own, grow or shrink; below 1.
    zoom: float = 0.0
    #: Fraction of height and width, to either side.
    shift: float = 0.0
    #: Columns moved per row, as a fraction, to either side.
    shear: float = 0.0
    #: Side of one square set to 0, as a fraction of the smaller side of the image, up to 1; its centre is anywhere
    #: in the image, so part of it may lie outside.
    cutout: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, highest = getattr(self, field.name), 180.0 if field.name == "rotation" else 1.0
            if not 0 <= value <= highest or (field.name == "zoom" and value == 1):
                raise ValueError(f"Received {field.name}={value}. Expected a number from 0 to {highest:g}.")

    @property
    def moves(self) -> bool:
        """Whether images are rotated, zoomed, shifted or sheared."""
        return any((self.rotation, self.zoom, self.shift, self.shear))

    def cutout_side(self, height: int, width: int) -> int:
        """Return the side of the cut square in pixels; 0 cuts nothing."""
        return round(self.cutout * min(height, width))


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


def draw_cutout_corners(side: int, n: int, height: int, width: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw the top left corner of each image's cut square: int32, shape (n, 2), row and column, possibly negative."""
    return rng.integers(0, (height, width), (n, 2), dtype=np.int32) - np.int32(side // 2)
