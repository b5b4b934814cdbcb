"""Labelled images, and the format that a model must accept."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.large_arrays import take_rows
from tuner.datasets.stored_rows import windows


@dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """What one image looks like and which classes it can be."""

    height: int
    width: int
    #: 1 for grey, 3 for RGB.
    channels: int
    class_names: tuple[str, ...]

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels: the input shape of a Keras model."""
        return (self.height, self.width, self.channels)


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledImages:
    """Images and the class of each."""

    #: uint8, shape (n, height, width, channels), values 0 to 255, bright strokes on black for characters.
    images: NDArray[np.uint8]
    #: int64, shape (n,), each an index into `class_names`.
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    #: bool, shape (n,): which images are the dataset's own validation set; None where it has none.
    is_validation: NDArray[np.bool_] | None = None
    #: int64, shape (n,): images with equal numbers belong together on one side of every split; None: each is alone.
    groups: NDArray[np.int64] | None = None
    #: Of images in the order of folds: how many each fold has; None where the rule of `folds` says it.
    fold_sizes: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_format(self) -> ImageFormat:
        _, height, width, channels = self.images.shape
        return ImageFormat(height=height, width=width, channels=channels, class_names=self.class_names)

    def take(self, indices: NDArray[np.intp]) -> "LabelledImages":
        """Return the examples at these indices, in their order."""
        return LabelledImages(
            images=take_rows(self.images, indices),
            labels=self.labels[indices],
            class_names=self.class_names,
            is_validation=None if self.is_validation is None else self.is_validation[indices],
            groups=None if self.groups is None else self.groups[indices],
        )

    def divided(self) -> "LabelledImages":
        """Return the same images without what says how they are to be divided, for images that are divided already."""
        return LabelledImages(images=self.images, labels=self.labels, class_names=self.class_names)

    def without_validation(self) -> "LabelledImages":
        """Return the images without the dataset's own validation set."""
        if self.is_validation is None:
            return self
        return replace(self.take(np.flatnonzero(~self.is_validation)), is_validation=None)

    def content_hash(self) -> str:
        """Return the SHA-256 of images, labels, class names and divisions, in hexadecimal.

        It is equal for equal content only.
        """
        digest = hashlib.sha256(repr((self.images.shape, self.class_names)).encode())
        for window in windows(self.images):
            digest.update(np.ascontiguousarray(self.images[window]).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        for name, marks in (("validation", self.is_validation), ("groups", self.groups)):
            if marks is not None:
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(marks).data)
        if self.fold_sizes is not None:
            digest.update(repr(self.fold_sizes).encode())
        return digest.hexdigest()
