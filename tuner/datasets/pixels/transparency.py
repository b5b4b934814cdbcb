"""The background of transparent pictures: one on which their figures are visible."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.large_arrays import empty_array
from tuner.datasets.reading import UnreadableDataError

Background = Literal["white", "black"]

_LEVELS: dict[Background, int] = {"white": 255, "black": 0}
#: Distance from the background in any colour, of 255, from which a pixel is visible.
_VISIBLE_DISTANCE = 32
#: Transparency, of 255, that is more than rounding.
_LEAST_TRANSPARENCY = 4
#: Share of a figure's opacity that must be visible on the background, or the figure is invisible.
_LEAST_VISIBLE = 0.02
#: Share of figures that may be invisible on the better background.
_MOST_INVISIBLE = 0.1


def choose_background(images: NDArray[np.uint8], *, where: Path | str) -> tuple[Background | None, list[str]]:
    """Return white, or black where more figures would be invisible on white than on black; and warnings.

    None where pictures look alike on both.

    Args:
        images: uint8, shape (n, height, width, channels); the last channel is opacity, 255 is opaque.
        where: What an error names.

    Raises:
        UnreadableDataError: More than a tenth of the figures are invisible on either, or all pictures are empty.
    """
    n_empty = sum(not image[..., -1].any() for image in images)
    if n_empty == len(images):
        problem = f"all {n_empty:,} pictures are wholly transparent"
        raise UnreadableDataError(where, problem, remedy="Save them anew without their opacity.")
    empty = [f"{n_empty:,} of {len(images):,} pictures are wholly transparent, and show nothing."] if n_empty else []
    figures = [image for image in images if _has_figure(image)]
    if not figures:
        return None, empty
    n_invisible = {colour: sum(is_invisible(figure, colour) for figure in figures) for colour in _LEVELS}
    chosen: Background = "black" if n_invisible["black"] < n_invisible["white"] else "white"
    other: Background = "white" if chosen == "black" else "black"
    if n_invisible[chosen] > _MOST_INVISIBLE * len(figures):
        problem = (
            f"of {len(figures):,} transparent pictures {n_invisible['white']:,} cannot be seen on white and "
            f"{n_invisible['black']:,} not on black"
        )
        remedy = "Put them on a background yourself, or choose one with `data.background`."
        raise UnreadableDataError(where, problem, remedy=remedy)
    text = f"{len(figures):,} of {len(images):,} pictures are transparent: put on {chosen}"
    if n_invisible[other]:
        text += f", as {n_invisible[other]:,} cannot be seen on {other}"
    text += f'. This is a guess; `data.background = "{other}"` takes the other background.'
    if n_invisible[chosen]:
        text += f" On {chosen} {n_invisible[chosen]:,} cannot be seen either: put them on a background yourself."
    return chosen, [text, *empty]


def put_on_background(images: NDArray[np.uint8], background: Background | None) -> NDArray[np.uint8]:
    """Return opaque images: uint8, shape (n, height, width, channels), one channel fewer than before.

    Args:
        images: uint8; the last channel is opacity, 255 is opaque.
        background: With None each image gets the background on which its own figure is visible.
    """
    opaque = empty_array((*images.shape[:3], images.shape[3] - 1), np.uint8, where="the images")
    for index, image in enumerate(images):
        level = _LEVELS[background or _own_background(image)]
        colour, alpha = image[..., :-1].astype(np.uint32), image[..., -1:].astype(np.uint32)
        mixed = colour * alpha + level * (255 - alpha)
        opaque[index] = (mixed + 127) // 255
    return opaque


def is_transparent(image: NDArray[np.uint8]) -> bool:
    """Say whether white and black backgrounds differ at any pixel of an image with opacity."""
    return bool((image[..., -1] <= 255 - _LEAST_TRANSPARENCY).any())


def is_invisible(image: NDArray[np.uint8], background: Background) -> bool:
    """Say whether the figure of an image with opacity cannot be seen on the background."""
    if not _has_figure(image):
        return False
    opacity = image[..., -1] / 255
    distance = np.abs(image[..., :-1].astype(np.float64) - _LEVELS[background]).max(axis=-1)
    is_visible = distance * opacity >= _VISIBLE_DISTANCE
    return bool(opacity[is_visible].sum() < _LEAST_VISIBLE * opacity.sum())


def _has_figure(image: NDArray[np.uint8]) -> bool:
    return is_transparent(image) and bool(image[..., -1].any())


def _own_background(image: NDArray[np.uint8]) -> Background:
    return "black" if is_invisible(image, "white") and not is_invisible(image, "black") else "white"
