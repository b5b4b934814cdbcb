"""How images are changed at random while training, drawn on the host so that every backend sees the same pictures.

Rotation, zoom, shear and shift are one affine map an image, applied once: four Keras layers in a row interpolate four
times, and one of them in a model turns compilation off (Keras 3.15). Elastic displacement is Simard et al., ICDAR 2003:
noise smoothed by a Gaussian, one field for each direction; cutout is DeVries & Taylor, arXiv:1708.04552; mixup Zhang et
al., arXiv:1710.09412; cutmix Yun et al., arXiv:1905.04899.
"""

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: What each number may be; everything else goes from 0 to 1.
_RANGES = {
    "rotation": (0.0, 180.0),
    "elastic": (0.0, 0.5),
    "elastic_smoothness": (0.1, 1.0),
    "mixup": (0.0, 10.0),
    "cutmix": (0.0, 10.0),
}

#: Noise is an integer from -128 to 127, all equally likely: this many make its standard deviation.
NOISE_MEAN, NOISE_SD = -0.5, math.sqrt((256**2 - 1) / 12)
#: The smoothing Gaussian is cut off after so many standard deviations.
_REACH = 3


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
    #: Standard deviation of each pixel's displacement, down and sideways, as a fraction of height and width.
    elastic: float = 0.0
    #: Standard deviation of the Gaussian that smooths the displacements, as a fraction of height and width: small
    #: makes characters tremble, large bends them.
    elastic_smoothness: float = 0.15
    #: Added to every pixel, in fractions of the whole range, to either side.
    brightness: float = 0.0
    #: Fraction by which differences from the image's mean grow or shrink.
    contrast: float = 0.0
    #: Side of one square set to 0, as a fraction of the smaller side of the image, up to 1; its centre is anywhere
    #: in the image, so part of it may lie outside.
    cutout: float = 0.0

    #: An image and its target are blended with another one of the batch; the share that is left of them is drawn from
    #: Beta(mixup, mixup).
    mixup: float = 0.0
    #: A box of another image of the batch replaces that part, and the targets are blended by area; the share left is
    #: drawn from Beta(cutmix, cutmix). With mixup too, each image draws which of the two it gets.
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, (lowest, highest) = getattr(self, field.name), _RANGES.get(field.name, (0.0, 1.0))
            if not lowest <= value <= highest or (field.name == "zoom" and value == 1):
                raise ValueError(f"Received {field.name}={value}. Expected a number from {lowest:g} to {highest:g}.")

    @property
    def moves(self) -> bool:
        """Whether images are rotated, zoomed, shifted or sheared."""
        return any((self.rotation, self.zoom, self.shift, self.shear))

    @property
    def tones(self) -> bool:
        """Whether brightness or contrast is changed."""
        return bool(self.brightness or self.contrast)

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with others, and with them their targets."""
        return bool(self.mixup or self.cutmix)

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


def draw_tones(augmentation: Augmentation, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw each image's factor of contrast and what is added to it: float32, shape (n, 2)."""
    contrast, brightness = rng.uniform(-1, 1, (2, n))
    tones = [1 + contrast * augmentation.contrast, brightness * augmentation.brightness]
    return np.stack(tones, axis=1).astype(np.float32)


class Mixing(NamedTuple):
    """Whom each image is mixed with, and how; its target keeps `blends` times the share outside the box."""

    #: int32, shape (n,): positions within the image's own batch.
    partners: NDArray[np.int32]
    #: float32, shape (n,): share of the image itself outside the box; 1 for cutmix.
    blends: NDArray[np.float32]
    #: int32, shape (n, 4): top, left, bottom and right, the last two excluded, of what the partner fills; 0 for mixup.
    boxes: NDArray[np.int32]


def draw_mixing(
    augmentation: Augmentation, n: int, height: int, width: int, *, batch_size: int, rng: np.random.Generator
) -> Mixing:
    """Draw for `n` images in batches of `batch_size`, the last of which may be smaller."""
    batch_sizes = np.minimum(batch_size, n - np.arange(n) // batch_size * batch_size)
    partners = (rng.random(n) * batch_sizes).astype(np.int32)
    cuts = rng.random(n) < (0.5 if augmentation.mixup and augmentation.cutmix else bool(augmentation.cutmix))
    blends = np.ones(n)
    if augmentation.mixup:
        blends = np.where(cuts, 1.0, rng.beta(augmentation.mixup, augmentation.mixup, n))
    boxes = np.zeros((n, 4), np.int32)
    if augmentation.cutmix:
        left_over = rng.beta(augmentation.cutmix, augmentation.cutmix, n)
        boxes = np.where(cuts[:, None], _draw_boxes(left_over, height, width, rng), 0).astype(np.int32)
    return Mixing(partners, blends.astype(np.float32), boxes)


def _draw_boxes(left_over: NDArray[np.float64], height: int, width: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw boxes of the image's proportions that leave this share of it, centred anywhere, cut off at its border."""
    sides = np.array([height, width])
    half = np.sqrt(1 - left_over)[:, None] * sides / 2
    centres = rng.random((len(left_over), 2)) * sides
    corners = [np.clip(np.rint(centres + sign * half), 0, sides) for sign in (-1, 1)]
    return np.concatenate(corners, axis=1).astype(np.int64)
