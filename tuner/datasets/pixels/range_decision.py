"""Decide the range of a training part, and refuse images of which some are in another range than the others.

`stored_range` has the table from found values to ranges; here the values are found, image by image.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.pixels.meaning import extremes
from tuner.datasets.pixels.stored_range import (
    BYTES,
    SIXTEEN_BITS,
    UNIT,
    FoundValues,
    Range,
    UnclearRangeError,
    find_range,
    range_of_transparent,
    slack_of,
)
from tuner.datasets.pixels.transparency import is_transparent
from tuner.datasets.reading import StoredImages, UnreadableDataError
from tuner.datasets.stored_rows import windows

#: Share of pictures of another range up to which they are exceptions.
_FEW_OTHERS = 0.05
#: Narrower ranges may hold pictures of zeros and ones alone.
_LEAST_OF_STEPS = 100


def decide_range(
    images: StoredImages, given: Literal["auto"] | Range, *, unclear_as_before: bool, where: Path | str
) -> tuple[Range, FoundValues, list[str]]:
    """Return the range, the values of the training part, and warnings.

    Args:
        images: All images of the training part.
        given: What a person has set wins over what the values show.
        unclear_as_before: See `decision.PixelSettings`.
        where: What an error names.

    Raises:
        UnreadableDataError: The values show no range, or some images seem to be in another range than the others.
    """
    found = _find_values(images, where)
    if given != "auto":
        # Of colours of 16 bits the upper 8 are read: their whole range is a byte's.
        given = BYTES if images.n_halved and given == SIXTEEN_BITS else given
        _check_halved(images, given, found, where)
        return given, found, describe_clipping(images, given)
    try:
        if _are_all_transparent(images):
            pixel_range, warning = range_of_transparent(found)
        else:
            pixel_range, warning = find_range(found, where=where)
    except UnclearRangeError as error:
        low, high = error.as_before
        if not (unclear_as_before and low <= found.lowest and found.highest <= high):
            raise
        pixel_range, warning = error.as_before, None
    _check_halved(images, pixel_range, found, where)
    if not unclear_as_before:
        _refuse_few_beyond_bytes(images, found, where)
    if images.n_faint and not unclear_as_before:
        problem = (
            f"{images.n_faint:,} of {len(images):,} pictures have colours of 16 bits and use few of the upper 8, which "
            "are all that is read of them"
        )
        raise UnreadableDataError(where, problem, remedy="Save them with 8 bits a colour, or set `data.range`.")
    if found.kind == "float" and pixel_range[1] > 1:
        _refuse_mixed_scales(images.values, found, where)
    if pixel_range[1] >= _LEAST_OF_STEPS and not unclear_as_before:
        _refuse_zeros_and_ones(images, where)
    return pixel_range, found, [warning] if warning else []


def _are_all_transparent(images: StoredImages) -> bool:
    """Say whether no picture is opaque, so that only the visible colours of drawings could show a range."""
    return images.has_alpha and all(map(is_transparent, images.values))


def _check_halved(images: StoredImages, pixel_range: Range, found: FoundValues, where: Path | str) -> None:
    """Refuse colours of 16 bits that use few of the upper 8, which are all that is read of them."""
    if images.n_halved and pixel_range != BYTES:
        problem = (
            f"{images.n_halved:,} pictures have colours of 16 bits, of which the upper 8 are read, and these go from "
            f"{found.text} only"
        )
        raise UnreadableDataError(where, problem, remedy="Save them with 8 bits a colour.")


def _find_values(images: StoredImages, where: Path | str) -> FoundValues:
    """Return the extremes of the training part; of its pictures of 16 bits alone where it has both depths."""
    values, limits, bits = images.colours, images.limits, None
    if images.bits is not None:
        bits = int(images.bits.max())
        limits = images.image_limits[images.bits == bits]
    elif values.dtype.kind == "u" and values.dtype.itemsize <= 2:  # noqa: PLR2004 - bytes
        bits = 8 * values.dtype.itemsize
    kinds = {"b": "bool", "f": "float"}
    lowest, highest = extremes(values, limits, where=where, images=images)
    found = FoundValues(lowest=lowest, highest=highest, kind=kinds.get(values.dtype.kind, "integer"), bits=bits)
    if images.places is None:
        return found
    lows, highs = images.image_limits.T
    places = images.place_of(int(lows.argmin())), images.place_of(int(highs.argmax()))
    return replace(found, lowest_in=f" (the lowest in {places[0]})", highest_in=f" (the highest in {places[1]})")


def _refuse_few_beyond_bytes(images: StoredImages, found: FoundValues, where: Path | str) -> None:
    """Refuse images of which nearly all hold bytes, and a few larger values, as after a typing error."""
    if found.highest <= BYTES[1] + slack_of(BYTES):
        return
    _, highest = images.image_limits.T
    are_bytes = highest <= BYTES[1] + slack_of(BYTES)
    if 0 < (~are_bytes).mean() <= _FEW_OTHERS and highest[are_bytes].max() > BYTES[1] / 2:
        problem = (
            f"{int((~are_bytes).sum()):,} of {len(images):,} images have values above 255, up to {found.highest:.9g} "
            f"in {images.place_of(int(highest.argmax()))}; all others fit into 0 to 255"
        )
        raise UnreadableDataError(where, problem, remedy="Correct these images, or set `data.range`.")


def _refuse_mixed_scales(values: NDArray[np.floating], found: FoundValues, where: Path | str) -> None:
    """Refuse floats of which some images go from 0 to 1 and others beyond."""
    n_fractional = 0
    for window in windows(values):
        highest = values[window].reshape(window.stop - window.start, -1).max(axis=1)
        in_unit = values[window][(highest > 0) & (highest <= 1 + slack_of(UNIT))]
        n_fractional += sum(bool((image % 1).any()) for image in in_unit)
    if n_fractional:
        problem = (
            f"{n_fractional:,} of {len(values):,} images have fractions up to 1, others values up to "
            f"{found.highest:.9g}"
        )
        raise UnreadableDataError(where, problem, remedy="Store all images in one range, or set `data.range`.")


def describe_clipping(images: StoredImages, pixel_range: Range) -> list[str]:
    """Return a warning where visible values are outside of a range that a person has set, or nothing."""
    low, high = pixel_range
    lowest, highest = extremes(images.colours, images.limits, where="")
    if low - slack_of(pixel_range) <= lowest and highest <= high + slack_of(pixel_range):
        return []
    n_outside = 0
    for window in windows(images.values):
        colours = images.colours[window]
        is_outside = (colours < low) | (colours > high)
        if images.has_alpha:
            is_outside &= images.values[window, ..., images.channels :] > 0
        n_outside += int(is_outside.sum())
    outside = n_outside / images.colours.size
    text = (
        f"{outside:.2%} of the pixels are outside of data.range = [{low:.9g}, {high:.9g}], as they go from "
        f"{lowest:.9g} to {highest:.9g}; they are clipped, here and in every other part."
    )
    return [text]


def _refuse_zeros_and_ones(images: StoredImages, where: Path | str) -> None:
    """Refuse images of which some have zeros and ones alone, as masks do, and others all values."""
    lowest, highest = images.image_limits.T
    n_others = int(((lowest == 0) & (highest == 1)).sum())
    if n_others > _FEW_OTHERS * len(images):
        problem = (
            f"{n_others:,} of {len(images):,} images have the values 0 and 1 alone, others up to {highest.max():.9g}"
        )
        raise UnreadableDataError(where, problem, remedy="Store all images in one range, or set `data.range`.")
