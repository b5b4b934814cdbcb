"""Everything random about one epoch, drawn from (seed, epoch) alone: resuming needs no stored generator."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuner.training.augmentation import (
    Mixing,
    draw_cutout_corners,
    draw_mixing,
    draw_noise,
    draw_tones,
    draw_transforms,
)
from tuner.training.plan import TrainingPlan

#: Third part of the seed: each purpose has its own stream, so that cutout on or off leaves the order alone.
ORDER, TRANSFORMS, CUTOUT, NOISE, TONES, MIXING = range(6)


class ImageDraws(NamedTuple):
    """How each image is changed; None where nothing is drawn."""

    #: float32, shape (n, 8), see `draw_transforms`.
    transforms: Any = None
    #: int8, shape (n, nodes, nodes, 2), see `draw_noise`.
    noise: Any = None
    #: float32, shape (n, 2), see `draw_tones`.
    tones: Any = None
    #: int32, shape (n, 2), see `draw_cutout_corners`.
    cutout_corners: Any = None
    mixing: Mixing | None = None

    def part(self, rows: slice) -> "ImageDraws":
        """Return the draws of one batch."""
        mixing = self.mixing
        return ImageDraws(
            transforms=None if self.transforms is None else self.transforms[rows],
            noise=None if self.noise is None else self.noise[rows],
            tones=None if self.tones is None else self.tones[rows],
            cutout_corners=None if self.cutout_corners is None else self.cutout_corners[rows],
            mixing=mixing and Mixing(mixing.partners[rows], mixing.blends[rows], mixing.boxes[rows]),
        )


class EpochDraws(NamedTuple):
    """What an epoch program is given; row i belongs to the i-th image that the epoch shows.

    Named tuples and no dataclasses, because TensorFlow and JAX both take one as an argument as it is; arrays are
    NumPy's outside the program and the backend's inside.
    """

    #: int32, shape (n,): indices into the training images.
    order: Any
    images: ImageDraws
    #: float32, shape (steps,): assigned to the optimizer before each step; None leaves the optimizer alone.
    learning_rates: Any

    def split(self, batch_size: int) -> "tuple[EpochDraws, EpochDraws | None]":
        """Return the draws of the full batches, and of the partial one if there is one."""
        n_full = len(self.order) // batch_size
        n_in_full = n_full * batch_size

        def part(rows: slice, steps: slice) -> EpochDraws:
            rates = None if self.learning_rates is None else self.learning_rates[steps]
            return EpochDraws(self.order[rows], self.images.part(rows), rates)

        full = part(slice(n_in_full), slice(n_full))
        return full, part(slice(n_in_full, None), slice(n_full, None)) if n_in_full < len(self.order) else None


def draw_epoch(
    plan: TrainingPlan,
    *,
    epoch: int,
    n_images: int,
    image_shape: tuple[int, int, int],
    learning_rates: NDArray[np.float32] | None,
) -> EpochDraws:
    """Draw order and augmentation of one epoch (from 1)."""

    def rng(purpose: int) -> np.random.Generator:
        return np.random.default_rng((plan.seed, epoch, purpose))

    order = (rng(ORDER).permutation(n_images) if plan.shuffle else np.arange(n_images)).astype(np.int32)
    return EpochDraws(order, _draw_images(plan, n_images, image_shape, rng), learning_rates)


def _draw_images(
    plan: TrainingPlan, n: int, image_shape: tuple[int, int, int], rng: Callable[[int], np.random.Generator]
) -> ImageDraws:
    height, width, _ = image_shape
    augmentation = plan.augmentation
    if augmentation is None:
        return ImageDraws()
    side, batch_size = augmentation.cutout_side(height, width), min(plan.batch_size, n)
    return ImageDraws(
        transforms=draw_transforms(augmentation, n, height, width, rng(TRANSFORMS)) if augmentation.moves else None,
        noise=draw_noise(augmentation, n, rng(NOISE)) if augmentation.elastic else None,
        tones=draw_tones(augmentation, n, rng(TONES)) if augmentation.tones else None,
        cutout_corners=draw_cutout_corners(side, n, height, width, rng(CUTOUT)) if side else None,
        mixing=draw_mixing(augmentation, n, height, width, batch_size=batch_size, rng=rng(MIXING))
        if augmentation.mixes
        else None,
    )
