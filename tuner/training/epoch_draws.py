"""Everything random about one epoch, drawn from (seed, epoch) alone: resuming needs no stored generator."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuner.training.augmentation import Augmenter, ImageDraws, take_part
from tuner.training.augmentation.kind import ImageShape
from tuner.training.plan import TrainingPlan

#: Third part of the seed of the order; the kinds of augmentation have others.
ORDER_STREAM = 0


class EpochDraws(NamedTuple):
    """What an epoch program is given; row i belongs to the i-th image that the epoch shows.

    A named tuple and no dataclass, because TensorFlow and JAX both take one as an argument as it is; arrays are NumPy's
    outside the program and the backend's inside.
    """

    #: int32, shape (n,): indices into the training images.
    order: Any
    images: ImageDraws
    #: float32, shape (steps,): assigned to the optimizer before each step; None leaves the optimizer alone.
    learning_rates: Any

    def split(self, batch_size: int) -> "tuple[EpochDraws, EpochDraws | None]":
        """Return the draws of the full batches, and of the partial one if there is one."""
        n_full = len(self.order) // batch_size
        full = self.take_steps(0, n_full, batch_size)
        return full, self.take_steps(n_full, n_full + 1, batch_size) if n_full * batch_size < len(self.order) else None

    def take_steps(self, first: int, end: int, batch_size: int) -> "EpochDraws":
        """Return the draws of the steps from `first` (from 0) to the one before `end`."""
        rows = slice(first * batch_size, end * batch_size)
        rates = None if self.learning_rates is None else self.learning_rates[first:end]
        return EpochDraws(self.order[rows], take_part(self.images, rows), rates)


def draw_epoch(
    plan: TrainingPlan,
    *,
    epoch: int,
    n_images: int,
    image_shape: ImageShape,
    learning_rates: NDArray[np.float32] | None,
    part: NDArray[np.int32] | None = None,
) -> EpochDraws:
    """Draw order and augmentation of one epoch (from 1).

    Args:
        plan: How the run trains.
        epoch: From 1.
        n_images: Number of training images.
        image_shape: Of one of them.
        learning_rates: See `EpochDraws`.
        part: Indices of the images that the epoch shows, see `TrainingPlan.parts`; None: all.

    Raises:
        ValueError: The plan shows a part in this epoch, and none is given.
    """
    if part is None and plan.parts is not None and plan.parts.share_of(epoch) < 1:
        raise ValueError(f"Received no part of the images for epoch {epoch}. Expected that of the plan.")

    def stream(number: int) -> np.random.Generator:
        return np.random.default_rng((plan.seed, epoch, number))

    n_images = n_images if part is None else len(part)
    order = (stream(ORDER_STREAM).permutation(n_images) if plan.shuffle else np.arange(n_images)).astype(np.int32)
    augmenter = Augmenter(plan.augmentation, image_shape)
    images = augmenter.draw(stream, n=n_images, batch_size=min(plan.batch_size, n_images))
    return EpochDraws(order if part is None else part[order], images, learning_rates)
