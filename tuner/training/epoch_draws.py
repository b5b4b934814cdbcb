"""Everything random about one epoch, drawn from (seed, epoch) alone: resuming needs no stored generator."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuner.training.augmentation import draw_cutout_corners, draw_transforms
from tuner.training.plan import TrainingPlan

#: Third part of the seed: each purpose has its own stream, so that cutout on or off leaves the order alone.
ORDER, TRANSFORMS, CUTOUT = 0, 1, 2


class EpochDraws(NamedTuple):
    """What an epoch program is given; row i belongs to the i-th image that the epoch shows.

    A named tuple and no dataclass, because TensorFlow and JAX both take one as an argument as it is.
    """

    #: int32, shape (n,): indices into the training images.
    order: NDArray[np.int32]
    #: float32, shape (n, 8), see `draw_transforms`.
    transforms: NDArray[np.float32] | None
    #: int32, shape (n, 2), see `draw_cutout_corners`.
    cutout_corners: NDArray[np.int32] | None
    #: float32, shape (steps,): assigned to the optimizer before each step; None leaves the optimizer alone.
    learning_rates: NDArray[np.float32] | None


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

    height, width, _ = image_shape
    augmentation, transforms, corners = plan.augmentation, None, None
    if augmentation and augmentation.moves:
        transforms = draw_transforms(augmentation, n_images, height, width, rng(TRANSFORMS))
    if augmentation and (side := augmentation.cutout_side(height, width)):
        corners = draw_cutout_corners(side, n_images, height, width, rng(CUTOUT))
    order = (rng(ORDER).permutation(n_images) if plan.shuffle else np.arange(n_images)).astype(np.int32)
    return EpochDraws(order, transforms, corners, learning_rates)
