"""Sides of a split to which whole groups of images are assigned, such as all pictures of one patient.

The aim is that of scikit-learn's `StratifiedGroupKFold`: sides of the sizes that were asked for, with the classes'
shares of the whole. Groups are assigned one by one, those of the most unequal classes first, each to the side that it
brings nearest to its aim. Which images a side has follows from the seed alone, with every version of NumPy.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def assign_groups(
    labels: NDArray[np.int64], groups: NDArray[np.int64], *, shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Return the side of each image, from 0, shape (n,); a side that no group fits may be left empty.

    Args:
        labels: Class indices, shape (n,).
        groups: Equal numbers are one group, shape (n,).
        shares: Of all images, for each side; their sum is 1.
        seed: Equal seeds give equal sides.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    n_groups, n_classes = int(numbers.max()) + 1, int(labels.max()) + 1
    counts = np.zeros((n_groups, n_classes), np.int64)
    np.add.at(counts, (numbers, labels), 1)
    wanted = np.outer(shares, np.maximum(counts.sum(axis=0), 1))
    assigned = np.zeros_like(wanted)
    side_of = np.empty(n_groups, np.int64)
    # See `splits`: the raw stream is the same with every version of NumPy.
    shuffled = np.argsort(np.random.PCG64(seed).random_raw(n_groups), kind="stable")
    by_spread = shuffled[np.argsort(-counts[shuffled].std(axis=1), kind="stable")]
    for group in by_spread:
        # By how much the sum of (assigned - wanted)² / wanted grows with this group on each side.
        growth = (counts[group] * (2 * (assigned - wanted) + counts[group]) / wanted).sum(axis=1)
        side_of[group] = int(np.argmin(growth.round(9)))
        assigned[side_of[group]] += counts[group]
    _give_each_side_each_class(side_of, counts, n_sides=len(shares))
    return side_of[numbers]


def _give_each_side_each_class(side_of: NDArray[np.int64], counts: NDArray[np.int64], *, n_sides: int) -> None:
    """Move small groups to sides that have no image of a class, where the side that gives one keeps all its classes."""
    has_class = counts > 0
    n_having = np.zeros((n_sides, counts.shape[1]), np.int64)
    np.add.at(n_having, side_of, has_class)
    for label in np.flatnonzero(has_class.any(axis=0)):
        for side in np.flatnonzero(n_having[:, label] == 0):
            may_go = has_class[:, label] & ((n_having[side_of] > 1) | ~has_class).all(axis=1)
            if not may_go.any():
                continue
            group = int(np.flatnonzero(may_go)[np.argmin(counts[may_go].sum(axis=1))])
            n_having[side_of[group]] -= has_class[group]
            n_having[side] += has_class[group]
            side_of[group] = side


def describe_side(name: str, own: NDArray[np.int64], whole: NDArray[np.int64], *, share: float) -> str:
    """Return in a sentence how far a side is from what was asked for.

    Args:
        name: Of the side.
        own: Its images of each class, shape (classes,).
        whole: All images of each class that were divided.
        share: Of all images that the side was to have.
    """
    n_own, n_all = int(own.sum()), int(whole.sum())
    off = np.abs(own / max(1, n_own) - whole / n_all)
    return (
        f"Divided by groups, the {name} has {n_own:,} of {n_all:,} images ({n_own / n_all:.1%}, {share:.1%} was asked "
        f"for), and the share of a class in it differs by up to {100 * off.max():.1f} points from that in all."
    )
