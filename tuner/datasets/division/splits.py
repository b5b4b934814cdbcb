"""Stratified draws that are the same on every machine and with every version of NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.division.group_shares import assign_groups
from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError, shorten


class SplitError(TunerError):
    """A draw would leave a class without images."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Training and validation images, no image in both."""

    train: LabelledImages
    validation: LabelledImages


def split_stratified(data: LabelledImages, *, validation_fraction: float, seed: int) -> Split:
    """Return the dataset's own validation set and all other images, or hold out the same fraction of every class.

    Both parts keep the order of the data. Images of one group are on one side.

    Args:
        data: The labelled examples to divide; the test set must not be among them.
        validation_fraction: Share of all images held out, between 0 and 1, both excluded; not used where the dataset
            has a validation set.
        seed: Equal seeds give equal splits, so every worker of a study scores alike.

    Raises:
        SplitError: The fraction is not between 0 and 1, or leaves a class without images on one side.
    """
    if data.is_validation is not None:
        sides = (data.take(np.flatnonzero(side)).divided() for side in (~data.is_validation, data.is_validation))
        return Split(**dict(zip(("train", "validation"), sides, strict=True)))
    rest, drawn = divide_stratified(
        data,
        fraction=validation_fraction,
        seed=seed,
        purpose=f"data.validation_fraction = {validation_fraction}",
        remedy="Choose another fraction or add images of this class.",
    )
    return Split(train=rest.divided(), validation=drawn.divided())


def divide_stratified(
    data: LabelledImages, *, fraction: float, seed: int, purpose: str, remedy: str
) -> tuple[LabelledImages, LabelledImages]:
    """Return the rest and the drawn fraction of every class; an error begins with `purpose` and ends with `remedy`.

    Images of the dataset's own validation set are not drawn, and not counted. Images of one group are drawn together.

    Raises:
        SplitError: The fraction is not between 0 and 1, or leaves a class without images on one side.
    """
    if not 0 < fraction < 1:
        raise SplitError(f"{purpose}: expected a number between 0 and 1, both excluded, such as 0.1.")
    offered = np.arange(len(data)) if data.is_validation is None else np.flatnonzero(~data.is_validation)
    labels = data.labels[offered]
    if data.groups is None:
        n_per_class = _share_out(labels, len(data.class_names), n_images=round(fraction * len(labels)))
        drawn = offered[_draw_per_class(labels, n_per_class, seed=seed)]
    else:
        sides = assign_groups(labels, data.groups[offered], shares=(1 - fraction, fraction), seed=seed)
        drawn = offered[sides == 1]
    _refuse_empty_sides(data, offered, drawn, purpose, remedy)
    is_drawn = np.zeros(len(data), np.bool_)
    is_drawn[drawn] = True
    return data.take(np.flatnonzero(~is_drawn)), data.take(drawn)


def _refuse_empty_sides(
    data: LabelledImages, offered: NDArray[np.intp], drawn: NDArray[np.intp], purpose: str, remedy: str
) -> None:
    n_classes = len(data.class_names)
    counts, n_per_class = (np.bincount(data.labels[side], minlength=n_classes) for side in (offered, drawn))
    for index, (name, n_drawn, n_class) in enumerate(zip(data.class_names, n_per_class, counts, strict=True)):
        if 0 < n_drawn < n_class:
            continue
        if data.groups is not None:
            n_groups = len(np.unique(data.groups[offered][data.labels[offered] == index]))
            in_groups = "are all in one group" if n_groups == 1 else f"are in {n_groups} groups"
            raise SplitError(
                f"{purpose} draws {n_drawn} of the {n_class} images of class {shorten(name)!r}, which {in_groups} that "
                "cannot be divided, expected at least one drawn and one left. Add groups with images of this class, or "
                "leave data.group out."
            )
        raise SplitError(
            f"{purpose} draws {n_drawn} of the {n_class} images of class {shorten(name)!r}, expected at least one "
            f"drawn and one left. {remedy}"
        )


def take_stratified(data: LabelledImages, *, n_images: int, seed: int) -> LabelledImages:
    """Return the images that `draw_stratified` draws.

    Raises:
        SplitError: As `draw_stratified`.
    """
    return data.take(draw_stratified(data, n_images=n_images, seed=seed))


def draw_stratified(data: LabelledImages, *, n_images: int, seed: int) -> NDArray[np.intp]:
    """Return the sorted indices of that many images with the classes' shares of the whole, at least one of each.

    Raises:
        SplitError: There are fewer images, or the subset is smaller than the number of classes.
    """
    n_classes = len(data.class_names)
    if not n_classes <= n_images <= len(data):
        raise SplitError(
            f"search.train_images: received {n_images}, expected between {n_classes} (one of each class) and "
            f"{len(data)} (all training images)."
        )
    n_per_class = _share_out(data.labels, n_classes, n_images=n_images)
    for index in np.flatnonzero((n_per_class == 0) & (class_counts(data) > 0)):
        n_per_class[index] = 1
        n_per_class[n_per_class.argmax()] -= 1
    return _draw_per_class(data.labels, n_per_class, seed=seed)


def class_counts(data: LabelledImages) -> NDArray[np.int64]:
    """Return how many images each class has, shape (classes,)."""
    return np.bincount(data.labels, minlength=len(data.class_names)).astype(np.int64)


#: Of the training images, unless a study says another fraction.
VALIDATION_FRACTION = 0.1
#: Validation images of a class below which its share of right answers is little more than chance: of 20, one image is
#: 5 points, and Wilson's interval of 90 % reaches from 70 to 97 %.
FEWEST_VALIDATION_IMAGES = 20
#: The largest class by the smallest one, from which on classes count as unequal.
_UNEQUAL = 2


def warn_of_few(counts: NDArray[np.int64], class_names: Sequence[str], *, by_class: bool = False) -> str | None:
    """Return a sentence on the smallest class where it has too few validation images.

    Args:
        counts: Validation images of each class, shape (classes,).
        class_names: In the same order.
        by_class: Whether the score is a measure by class. Otherwise only unequal classes are told: of equal ones the
            accuracy is as certain as its number of images.

    Returns:
        None where there are enough.
    """
    smallest = int(counts.argmin())
    is_unequal = counts.max() >= _UNEQUAL * counts[smallest]
    if counts[smallest] >= FEWEST_VALIDATION_IMAGES or not (by_class or is_unequal):
        return None
    n_images, n_others = int(counts[smallest]), int((counts < FEWEST_VALIDATION_IMAGES).sum()) - 1
    more = "1 more class has" if n_others == 1 else f"{n_others} more classes have"
    others = f", and {more} fewer than {FEWEST_VALIDATION_IMAGES}" if n_others else ""
    images = f"{n_images} validation image{'s' * (n_images != 1)}"
    return (
        f"Class {shorten(class_names[smallest])!r} has {images}{others}: measures by class, such as balanced accuracy, "
        "are uncertain. A larger data.validation_fraction, or data.folds, scores with more."
    )


def _share_out(labels: NDArray[np.int64], n_classes: int, *, n_images: int) -> NDArray[np.int64]:
    """Divide a number of images among the classes by their sizes: the sum is exact, the largest remainders win."""
    counts = np.bincount(labels, minlength=n_classes).astype(np.int64)
    # Integers throughout: a float quota of 0.9999… would lose an image.
    shares, remainders = np.divmod(counts * n_images, len(labels))
    n_left = n_images - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:n_left]] += 1
    return shares


def _draw_per_class(labels: NDArray[np.int64], n_per_class: NDArray[np.int64], *, seed: int) -> NDArray[np.intp]:
    """Return the sorted indices of that many images of each class."""
    # NumPy guarantees the raw stream of PCG64 for all versions, the methods of Generator only for one; an upgrade must
    # not move images between training and test.
    keys = np.random.PCG64(seed).random_raw(len(labels))
    drawn = []
    for label, n_images in enumerate(n_per_class):
        members = np.flatnonzero(labels == label)
        drawn.append(members[np.argsort(keys[members], kind="stable")[:n_images]])
    return np.sort(np.concatenate(drawn))
