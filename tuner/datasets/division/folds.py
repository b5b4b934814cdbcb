"""Cross-validation: images divided into folds, of which each is the validation set once.

The protocol is that of scikit-learn's `StratifiedKFold`: each image is in exactly one fold, and fold sizes and each
class's numbers of images differ by one at most between folds. Groups of images stay together, as in its
`StratifiedGroupKFold`; folds then differ more. Which images a fold has follows from the seed alone.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.division.group_shares import assign_groups
from tuner.datasets.division.splits import Split, SplitError, class_counts
from tuner.datasets.images import LabelledImages


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldedImages:
    """Images in the order of their folds, and once more: every fold's training images are one slice of memory.

    So all folds share two copies of the images, mapped from files where they are, instead of one copy each.
    """

    #: Fold 1, fold 2, …, the last fold, and the same again; each fold in the order of the data.
    twice: LabelledImages
    n_folds: int

    def split(self, fold: int) -> Split:
        """Return views: the fold's images as validation images, all others as training images.

        Args:
            fold: From 1.

        Raises:
            ValueError: There is no such fold.
        """
        begin, end = self._ends(fold)
        n_images = len(self.twice) // 2
        return Split(train=_slice(self.twice, end, begin + n_images), validation=_slice(self.twice, begin, end))

    @property
    def once(self) -> LabelledImages:
        """All images in the order of their folds: a view."""
        return _slice(self.twice, 0, len(self.twice) // 2)

    def rows(self, fold: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return which of the images `once` those of `split` are: those to train on, and those to validate on.

        Args:
            fold: From 1.

        Raises:
            ValueError: There is no such fold.
        """
        begin, end = self._ends(fold)
        n_images = len(self.twice) // 2
        train = np.arange(end, begin + n_images) % n_images
        return train.astype(np.int32), np.arange(begin, end, dtype=np.int32)

    def _ends(self, fold: int) -> tuple[int, int]:
        if not 1 <= fold <= self.n_folds:
            raise ValueError(f"Received fold {fold}. Expected one from 1 to {self.n_folds}.")
        n_images = len(self.twice) // 2
        begin, end = (self._count_in_first(n, n_images) for n in (fold - 1, fold))
        return begin, end

    def _count_in_first(self, n: int, n_images: int) -> int:
        """Return how many images the first n folds have together.

        Without groups the first folds have one more where their number does not divide.
        """
        if self.twice.fold_sizes is not None:
            return sum(self.twice.fold_sizes[:n])
        each, more = divmod(n_images, self.n_folds)
        return n * each + min(n, more)


def divide_into_folds(data: LabelledImages, *, n_folds: int, seed: int) -> FoldedImages:
    """Divide the images.

    Args:
        data: The labelled examples; the test set must not be among them.
        n_folds: At least 2.
        seed: Equal seeds give equal folds, so that all trials, workers and machines score on the same images.

    Raises:
        SplitError: A class has fewer images or groups than there are folds, or the dataset has its own validation set.
    """
    if data.is_validation is not None:
        raise SplitError(
            f"data.folds = {n_folds}: the dataset has a validation set of its own, which folds would not use; leave "
            "data.folds out, or give a dataset without it."
        )
    fold_of = assign_folds(data, n_folds=n_folds, seed=seed)
    order = np.argsort(fold_of, kind="stable")
    twice = data.take(np.concatenate([order, order])).divided()
    if data.groups is not None:
        twice = replace(twice, fold_sizes=tuple(np.bincount(fold_of, minlength=n_folds).tolist()))
    return FoldedImages(twice=twice, n_folds=n_folds)


def assign_folds(data: LabelledImages, *, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each image, from 0, shape (n,).

    Raises:
        SplitError: As `divide_into_folds`.
    """
    counts = class_counts(data)
    _refuse_small_classes(data, counts, n_folds)
    if data.groups is not None:
        fold_of = assign_groups(data.labels, data.groups, shares=[1 / n_folds] * n_folds, seed=seed)
        _refuse_folds_without_class(data, fold_of, n_folds)
        return fold_of
    # Labels in order, dealt out in turn: both the folds and the classes in them are equal within one image.
    dealt = np.repeat(np.arange(len(counts)), counts)
    shares = [np.bincount(dealt[fold::n_folds], minlength=len(counts)) for fold in range(n_folds)]
    # See `splits`: the raw stream is the same with every version of NumPy.
    keys = np.random.PCG64(seed).random_raw(len(data))
    fold_of = np.empty(len(data), np.int64)
    for label in range(len(counts)):
        members = np.flatnonzero(data.labels == label)
        shuffled = members[np.argsort(keys[members], kind="stable")]
        fold_of[shuffled] = np.repeat(np.arange(n_folds), [share[label] for share in shares])
    return fold_of


def _refuse_small_classes(data: LabelledImages, counts: NDArray[np.int64], n_folds: int) -> None:
    smallest = int(counts.argmin())
    if counts[smallest] < n_folds:
        n_images = f"{counts[smallest]} image{'' if counts[smallest] == 1 else 's'}"
        remedy = f"expected at most {counts[smallest]}, or" if counts[smallest] > 1 else "expected"
        raise SplitError(
            f"data.folds = {n_folds}: more folds than the smallest class has images, {data.class_names[smallest]!r} "
            f"with {n_images}; {remedy} more images of it."
        )


def _refuse_folds_without_class(data: LabelledImages, fold_of: NDArray[np.int64], n_folds: int) -> None:
    counts = np.zeros((n_folds, len(data.class_names)), np.int64)
    np.add.at(counts, (fold_of, data.labels), 1)
    if counts.all() or data.groups is None:
        return
    fold, label = np.argwhere(counts == 0)[0]
    n_groups = len(np.unique(data.groups[data.labels == label]))
    raise SplitError(
        f"data.folds = {n_folds}: fold {fold + 1} would have no image of class {data.class_names[label]!r}, which has "
        f"images in {n_groups} group{'s' * (n_groups != 1)}; expected fewer folds, or more groups with images of it."
    )


def _slice(data: LabelledImages, begin: int, end: int) -> LabelledImages:
    return LabelledImages(images=data.images[begin:end], labels=data.labels[begin:end], class_names=data.class_names)
