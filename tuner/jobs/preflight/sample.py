"""The few images that a preflight uses, and the file in which its process receives them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.division.splits import Split
from tuner.datasets.images import LabelledImages
from tuner.plain_values import JSONObject

#: Number of images of each class that a stage is tried with, and of all classes at most.
_PER_CLASS, _MOST = 2, 64
#: Number of images if a stage failed and is tried again: the user's own `fit` may split its images.
_MOST_AGAIN = 2048
#: Limit on the pixel values of all images together, because a net for large pictures is slow on a CPU.
_MOST_VALUES, _MOST_VALUES_AGAIN = 64 * 64 * 64 * 3, 2**24


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Training and validation images, with the classes in turn."""

    train: LabelledImages
    validation: LabelledImages
    #: How many of each are used at first; the others are for a second try.
    n_few: int
    #: How many of each the study has.
    n_train: int
    n_validation: int

    def few(self) -> tuple[LabelledImages, LabelledImages]:
        """Return the first few training and validation images."""
        return _first(self.train, self.n_few), _first(self.validation, self.n_few)


@dataclass(frozen=True, kw_only=True)
class PartSizes:
    """How many images a study has."""

    #: Of the training images, those that trials train on.
    search: int
    #: Training images, and those that score trials.
    train: int
    validation: int

    @classmethod
    def of(cls, split: Split, *, train_images: int | None) -> Self:
        """Count the images of a study's split, of which the search may take a part."""
        n_train = len(split.train)
        return cls(search=min(train_images or n_train, n_train), train=n_train, validation=len(split.validation))


def take_sample(split: Split) -> Sample:
    """Return the first images of each class of a study's own split."""
    n_values = int(np.prod(split.train.image_format.shape))
    n_most = max(_MOST_VALUES // n_values, _PER_CLASS)
    n_again = max(_MOST_VALUES_AGAIN // n_values, n_most)
    return Sample(
        train=_in_turn(split.train, n_images=min(n_again, _MOST_AGAIN)),
        validation=_in_turn(split.validation, n_images=min(n_again, _MOST_AGAIN)),
        n_few=min(_PER_CLASS * len(split.train.class_names), _MOST, n_most),
        n_train=len(split.train),
        n_validation=len(split.validation),
    )


def write_sample(folder: Path, sample: Sample) -> JSONObject:
    """Write the images to the folder and return the other facts that `read_sample` needs, for JSON."""
    np.savez(
        folder / "sample.npz",
        train_images=sample.train.images,
        train_labels=sample.train.labels,
        validation_images=sample.validation.images,
        validation_labels=sample.validation.labels,
    )
    numbers = {name: getattr(sample, name) for name in ("n_few", "n_train", "n_validation")}
    return {"class_names": sample.train.class_names, **numbers}


def read_sample(folder: Path, described: JSONObject) -> Sample:
    """Read the sample that `write_sample` wrote."""
    with np.load(folder / "sample.npz", allow_pickle=False) as arrays:
        train, validation = (
            LabelledImages(
                images=arrays[f"{part}_images"],
                labels=arrays[f"{part}_labels"],
                class_names=tuple(described["class_names"]),
            )
            for part in ("train", "validation")
        )
    numbers = {name: described[name] for name in ("n_few", "n_train", "n_validation")}
    return Sample(train=train, validation=validation, **numbers)


def _in_turn(data: LabelledImages, *, n_images: int) -> LabelledImages:
    """Return the first image of each class, then the second of each, until there are enough."""
    place = np.empty(len(data), np.int64)
    for label in np.unique(data.labels):
        members = np.flatnonzero(data.labels == label)
        place[members] = np.arange(len(members))
    order: NDArray[np.intp] = np.lexsort((data.labels, place))
    return data.take(order[:n_images])


def _first(data: LabelledImages, n_images: int) -> LabelledImages:
    return data.take(np.arange(min(n_images, len(data))))
