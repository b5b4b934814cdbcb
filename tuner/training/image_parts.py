"""Parts of the training images for the first epochs of a run, so that weak trials end after fewer images.

A part has the classes' shares of the whole, and at least one image of each class. A larger part contains the smaller
ones: the images of a part depend on a seed and on the labels alone, so that all runs of a study, and a run that is
resumed elsewhere, see the same.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ImageParts:
    """Which part of the training images each epoch shows."""

    #: Draws the parts; not negative.
    seed: int
    #: Pairs of a last epoch and of the share of the images, above 0 and below 1, that epochs up to it show; in order.
    #: Later epochs show all images.
    shares: tuple[tuple[int, float], ...]
    #: No part has fewer images than this, or than there are.
    fewest: int = 1

    def share_of(self, epoch: int) -> float:
        """Return the share that an epoch (from 1) shows; 1 for all."""
        return next((share for last, share in self.shares if epoch <= last), 1.0)

    def count(self, epoch: int, labels: NDArray[np.integer]) -> int:
        """Return the number of images that an epoch shows of those with these labels."""
        share = self.share_of(epoch)
        if share >= 1:
            return len(labels)
        return min(len(labels), max(math.ceil(share * len(labels)), self.fewest, len(np.unique(labels))))

    def order(self, labels: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the indices of all images so that the first n are the part of n images, int32, shape (n images,)."""
        # The raw stream, which NumPy guarantees for all versions.
        keys = np.random.PCG64(self.seed).random_raw(len(labels))
        place = np.empty(len(labels), np.float64)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            drawn = members[np.argsort(keys[members], kind="stable")]
            # The first image of each class comes first of all.
            place[drawn] = np.arange(len(members)) / len(members)
        return np.argsort(place, kind="stable").astype(np.int32)


def thin(rates: NDArray[np.float32], n_steps: int) -> NDArray[np.float32]:
    """Return this many of an epoch's learning rates, evenly spaced: an epoch of fewer steps anneals as far."""
    if n_steps >= len(rates):
        return rates
    chosen = ((np.arange(n_steps) + 0.5) * len(rates) / n_steps).astype(np.int64)
    return rates[chosen]
