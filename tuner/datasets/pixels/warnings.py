"""Warnings about a training part's pixels that could be read and may still be wrong; sentences."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.reading import StoredImages

#: Grey levels, of 255, that most pictures reach, unless single bright pixels have stretched the range.
DIM_LEVEL = 32
#: Grey levels, of 255, that pictures of a whole range reach.
_BRIGHT_LEVEL = 128
#: Share of nearly black pictures up to which they are exceptions.
_FEW_DIM = 0.05
#: Share of bright pictures up to which they may be mistakes.
_FEW_OUTLIERS = 0.05
_MOST_NAMED = 5
#: If one side is this many times as long as the other, these are more often flattened images than pictures.
_LONG = 16
_COLOURS = ("red goes", "green goes", "blue goes")


def compare_classes(levels: NDArray[np.uint8], labels: NDArray[np.int64], class_names: Sequence[str]) -> list[str]:
    """Return a warning where all pictures of a class, or many pictures, are nearly black and others are not.

    Args:
        levels: uint8, shape (n, height, width, channels), not yet inverted.
        labels: Indices into the names, shape (n,).
        class_names: Of all classes.
    """
    highest = levels.reshape(len(levels), -1).max(axis=1)
    brightest = [int(highest[labels == index].max(initial=0)) for index in range(len(class_names))]
    dim = [f"{name!r} (up to {level})" for name, level in zip(class_names, brightest, strict=True) if level < DIM_LEVEL]
    if max(brightest) < _BRIGHT_LEVEL:
        return []
    if not dim:
        return _count_dim(highest)
    text = (
        f"The pictures of the class {', '.join(dim[:_MOST_NAMED])} are nearly black for models, those of others go up "
        f"to {max(brightest)} of 255: store all in one range, unless they are so."
    )
    return [text]


def _count_dim(highest: NDArray[np.uint8]) -> list[str]:
    """Return a warning where many pictures are nearly black, but not wholly; `highest` is the level of each."""
    is_dim = (highest > 0) & (highest < DIM_LEVEL)
    if is_dim.mean() <= _FEW_DIM:
        return []
    text = (
        f"{int(is_dim.sum()):,} of {len(highest):,} pictures are nearly black for models (up to {highest[is_dim].max()}"
        f" of 255), others go up to {highest.max()}: store all in one range, unless they are so."
    )
    return [text]


def describe_outliers(highest: NDArray[np.uint8], images: StoredImages) -> list[str]:
    """Return a warning where few images are as bright as the range, which may be the others' only by mistake.

    Args:
        highest: The brightest level of each image, as it is understood.
        images: The images.
    """
    n_bright = int((highest >= _BRIGHT_LEVEL).sum())
    if not 0 < n_bright <= _FEW_OUTLIERS * len(highest):
        return []
    others = int(highest[highest < _BRIGHT_LEVEL].max())
    verb, faulty = ("goes", "it is faulty, correct it") if n_bright == 1 else ("go", "they are faulty, correct them")
    brightest = images.place_of(int(highest.argmax()))
    text = (
        f"{n_bright:,} of {len(highest):,} pictures {verb} up to {highest.max()} of 255 for models, all others to "
        f"{others} at most; the brightest is {brightest}. If {faulty}, as bright pixels of a few make all others dark."
    )
    return [text]


def compare_channels(levels: NDArray[np.uint8]) -> list[str]:
    """Return a warning where one colour is nearly black in all pictures, but not wholly, and others are not."""
    brightest = levels.max(axis=(0, 1, 2))
    dim = [f"{_COLOURS[index]} up to {level}" for index, level in enumerate(brightest) if 0 < level < DIM_LEVEL]
    if not dim or brightest.max() < _BRIGHT_LEVEL:
        return []
    text = (
        f"Of 255 levels {', '.join(dim)}, other colours up to {brightest.max()}: store all colours in one range, "
        "unless they are so."
    )
    return [text]


def look_at_shape(images: StoredImages) -> list[str]:
    """Return a warning where images are a single line of pixels, or a few."""
    height, width = images.values.shape[1:3]
    if height == width or (min(height, width) > 1 and max(height, width) < _LONG * min(height, width)):
        return []
    what = "colours" if 3 in {height, width} else "rows of pixels"  # noqa: PLR2004 - red, green and blue
    return [f"The images are {height} pixels high and {width} wide: reshape them if these are {what}."]
