"""How a dataset itself asks to be divided: a validation set of its own, and groups that stay together."""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.division.copies import count_leaks
from tuner.datasets.reading import RawExamples
from tuner.errors import TunerError, shorten

#: Groups that a warning names.
_MOST_NAMED = 3


class NoGroupsError(TunerError):
    """`data.group` is set, and the data have no such column."""

    def __init__(self, where: str, group: str) -> None:
        super().__init__(
            f"{where}: data.group = {shorten(group)!r}, and the data have no columns. Groups are read from a column of "
            "labels.csv, metadata.csv or metadata.jsonl beside pictures, of a CSV table, or from an array of an .npz "
            "archive."
        )


class Marks(TypedDict, total=False):
    """Fields of `LabelledImages` that say how images are to be divided, as far as the dataset says it."""

    #: bool, shape (n,).
    is_validation: NDArray[np.bool_]
    #: int64, shape (n,): equal numbers stay together.
    groups: NDArray[np.int64]


def mark_divisions(
    raw: RawExamples, labels: NDArray[np.int64], levels: NDArray[np.uint8], *, group: str | None
) -> tuple[Marks, list[str]]:
    """Return the marks of `LabelledImages` that say how images are to be divided, and what to tell of them.

    Args:
        raw: The training part.
        labels: Its class indices, shape (n,).
        levels: Its images as bytes.
        group: What the column of groups is called.
    """
    marks: Marks = {}
    told: list[str] = []
    n_train = len(labels) - raw.n_validation
    if raw.n_validation:
        marks["is_validation"] = np.arange(len(labels)) >= n_train
        told.append(
            f"The dataset has a validation set of its own, {raw.n_validation:,} images, which scores the trials; "
            'data.validation_fraction is not used. Finals train on both parts unless finals.train_on = "train".'
        )
        missing = len(np.unique(labels[:n_train])) - len(np.unique(labels[n_train:]))
        if missing:
            told.append(f"The validation set has no image of {missing:,} of the classes.")
        leaks = count_leaks(
            (levels[:n_train], labels[:n_train]),
            (levels[n_train:], labels[n_train:]),
            place_of=lambda index: raw.images.place_of(n_train + index),
            part="validation",
        )
        told += [f"The validation set: {leak}" for leak in leaks]
    if raw.groups is not None:
        marks["groups"] = np.unique(raw.groups, return_inverse=True)[1].astype(np.int64)
        told += _describe_groups(raw.groups[:n_train], labels[:n_train], group=group or "")
        if raw.n_validation:
            told += [
                f"The validation set: {shared}"
                for shared in count_shared_groups(raw.groups[:n_train], raw.groups[n_train:])
            ]
    return marks, told


def _describe_groups(groups: NDArray[np.str_], labels: NDArray[np.int64], *, group: str) -> list[str]:
    names, numbers = np.unique(groups, return_inverse=True)
    sizes = np.bincount(numbers)
    largest = int(sizes.argmax())
    text = (
        f"data.group = {shorten(group)!r}: {len(names):,} groups of {sizes.min():,} to {sizes.max():,} images stay on "
        "one side of every split."
    )
    told = [text]
    for label in np.unique(labels):
        own = np.unique(numbers[labels == label])
        if len(own) == 1:
            told.append(
                f"All images of a class are in one group, {shorten(str(names[own[0]]))!r}: it cannot be on both sides "
                "of a split."
            )
    if sizes[largest] > len(labels) / 2:
        told.append(f"The group {shorten(str(names[largest]))!r} has {sizes[largest] / len(labels):.0%} of the images.")
    return told


def count_shared_groups(train: NDArray[np.str_] | None, other: NDArray[np.str_] | None) -> list[str]:
    """Return a warning where groups of another part are in the training part as well, else nothing."""
    if train is None or other is None:
        return []
    shared = np.intersect1d(train, other)
    if not len(shared):
        return []
    named = ", ".join(shorten(str(name)) for name in shared[:_MOST_NAMED]) + (", …" * (len(shared) > _MOST_NAMED))
    verb = "is" if len(shared) == 1 else "are"
    return [f"{len(shared):,} of its groups {verb} in the training part as well ({named})."]
