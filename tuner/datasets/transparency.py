"""The ground of transparent pictures: one that their figures can be seen on."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.reading import UnreadableDataError

Background = Literal["white", "black"]

_LEVELS: dict[Background, int] = {"white": 255, "black": 0}
#: Distance from the ground in any colour, of 255, from which a pixel stands out.
_VISIBLE_DISTANCE = 32
#: Transparency, of 255, that is more than rounding.
_LEAST_TRANSPARENCY = 4
#: Share of a figure's opacity that must stand out from the ground, else the figure is lost on it.
_LEAST_VISIBLE = 0.02
#: Share of figures that may be lost on the better ground.
_MOST_LOST = 0.1


def choose_background(images: NDArray[np.uint8], *, where: Path | str) -> tuple[Background | None, list[str]]:
    """Return white, or black where more figures would be lost on white than on black; and what to tell people of it.

    None where no ground can be told from another.

    Args:
        images: uint8, shape (n, height, width, channels); the last channel is opacity, 255 is opaque.
        where: What an error names.

    Raises:
        UnreadableDataError: More than a tenth of the figures are lost on either, or no picture shows anything.
    """
    n_empty = sum(not image[..., -1].any() for image in images)
    if n_empty == len(images):
        problem = f"all {n_empty:,} pictures are wholly transparent"
        raise UnreadableDataError(where, problem, remedy="Save them anew without their opacity.")
    empty = [f"{n_empty:,} of {len(images):,} pictures are wholly transparent, and show nothing."] if n_empty else []
    figures = [image for image in images if _has_figure(image)]
    if not figures:
        return None, empty
    n_lost = {ground: sum(is_lost(figure, ground) for figure in figures) for ground in _LEVELS}
    chosen: Background = "black" if n_lost["black"] < n_lost["white"] else "white"
    other: Background = "white" if chosen == "black" else "black"
    if n_lost[chosen] > _MOST_LOST * len(figures):
        problem = (
            f"of {len(figures):,} transparent pictures {n_lost['white']:,} cannot be seen on white and "
            f"{n_lost['black']:,} not on black"
        )
        remedy = "Put them on a ground of your own, or choose one with `data.background`."
        raise UnreadableDataError(where, problem, remedy=remedy)
    text = f"{len(figures):,} of {len(images):,} pictures are transparent: put on {chosen}"
    if n_lost[other]:
        text += f", as {n_lost[other]:,} cannot be seen on {other}"
    text += f'. This is a guess; `data.background = "{other}"` takes the other ground.'
    if n_lost[chosen]:
        text += f" On {chosen} {n_lost[chosen]:,} cannot be seen either: put them on a ground of your own."
    return chosen, [text, *empty]


def put_on_background(images: NDArray[np.uint8], background: Background | None) -> NDArray[np.uint8]:
    """Return opaque images: uint8, shape (n, height, width, channels), one channel fewer than before.

    Args:
        images: uint8; the last channel is opacity, 255 is opaque.
        background: None: each image gets the ground that its own figure can be seen on.
    """
    opaque = np.empty((*images.shape[:3], images.shape[3] - 1), np.uint8)
    for index, image in enumerate(images):
        ground = background or _own_background(image)
        colour, alpha = image[..., :-1].astype(np.uint32), image[..., -1:].astype(np.uint32)
        mixed = colour * alpha + _LEVELS[ground] * (255 - alpha)
        opaque[index] = (mixed + 127) // 255
    return opaque


def is_transparent(image: NDArray[np.uint8]) -> bool:
    """Say whether any pixel of an image with opacity lets enough of the ground through to tell white from black."""
    return bool((image[..., -1] <= 255 - _LEAST_TRANSPARENCY).any())


def is_lost(image: NDArray[np.uint8], background: Background) -> bool:
    """Say whether the figure of an image with opacity cannot be seen on the ground."""
    if not _has_figure(image):
        return False
    opacity = image[..., -1] / 255
    distance = np.abs(image[..., :-1].astype(np.float64) - _LEVELS[background]).max(axis=-1)
    stands_out = distance * opacity >= _VISIBLE_DISTANCE
    return bool(opacity[stands_out].sum() < _LEAST_VISIBLE * opacity.sum())


def _has_figure(image: NDArray[np.uint8]) -> bool:
    return is_transparent(image) and bool(image[..., -1].any())


def _own_background(image: NDArray[np.uint8]) -> Background:
    return "black" if is_lost(image, "white") and not is_lost(image, "black") else "white"
