"""Decide what the pixels of a training part mean: once for a study, with a warning for each guess."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.pixel_meaning import MIXED_SHARE, PixelMeaning, Polarity, extremes
from tuner.datasets.pixel_remarks import DIM_LEVEL, compare_channels, look_at_shape
from tuner.datasets.polarity import are_dark_on_light
from tuner.datasets.reading import StoredImages, UnreadableDataError
from tuner.datasets.stored_range import (
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
from tuner.datasets.transparency import Background, choose_background, is_transparent, put_on_background

#: Share of pictures of another range up to which they are exceptions.
_FEW_OTHERS = 0.05
#: Narrower ranges may hold pictures of zeros and ones alone.
_LEAST_OF_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class PixelSettings:
    """What a person has set for the pixels, in `[data]` of a study definition."""

    range: Literal["auto"] | Range = "auto"
    background: Literal["auto"] | Background = "auto"
    invert: Literal["auto"] | bool = "auto"
    #: Where nothing shows the range, take that of version 0.1.0; for studies of that version alone.
    unclear_as_before: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class DecidedPixels:
    """A training part, and what its pixels mean."""

    meaning: PixelMeaning
    #: uint8, shape (n, height, width, channels), not yet inverted.
    levels: NDArray[np.uint8]
    #: What was guessed, and which setting decides it instead; sentences.
    warnings: tuple[str, ...]


def decide_pixels(
    images: StoredImages, settings: PixelSettings, *, may_be_strokes: bool, any_size: bool, where: Path | str
) -> DecidedPixels:
    """Decide what the pixels of a whole training part mean.

    Args:
        images: All images of the training part.
        settings: What a person has set wins over what the images show.
        may_be_strokes: Models are given small grey pictures, which may be characters: they are inverted where most are
            dark on light.
        any_size: Images are scaled, so that pictures of any size may be of this data.
        where: What an error names.

    Raises:
        UnreadableDataError: A value is NaN, infinite, or negative without `data.range`; all pictures are of one
            colour; or nothing shows the range.
    """
    pixel_range, found, range_warnings = _decide_range(images, settings, where)
    meaning = PixelMeaning(
        range=pixel_range,
        found=(found.lowest, found.highest),
        bits=None if images.bits is None else int(images.bits.max()),
        channels=images.channels,
        background=None if settings.background == "auto" else settings.background,
        polarity=None,
        inverted=settings.invert is True,
        stored_size=images.stored_size,
        any_size=any_size,
    )
    levels = meaning.scale_colours(images, where=where)
    background_warnings: list[str] = []
    if images.has_alpha:
        if settings.background == "auto":
            background, background_warnings = choose_background(levels, where=where)
            meaning = replace(meaning, background=background)
        meaning = _with_background_found(meaning)
        levels = put_on_background(levels, meaning.background)
    blank_warnings = _look_for_blank_images(levels, images, settings, where)
    polarity, inverted, polarity_warnings = _decide_polarity(levels, settings, may_be_strokes=may_be_strokes)
    return DecidedPixels(
        meaning=replace(meaning, polarity=polarity, inverted=inverted),
        levels=levels,
        warnings=(
            *look_at_shape(images),
            *background_warnings,
            *range_warnings,
            *blank_warnings,
            *compare_channels(levels),
            *polarity_warnings,
        ),
    )


def _with_background_found(meaning: PixelMeaning) -> PixelMeaning:
    """Return the meaning of transparent pictures with the values of their background among the found ones."""
    (low, high), (lowest, highest) = meaning.range, meaning.found
    values = {"white": (high,), "black": (low,), None: (low, high)}[meaning.background]
    return replace(meaning, found=(min(lowest, *values), max(highest, *values)))


def _decide_range(
    images: StoredImages, settings: PixelSettings, where: Path | str
) -> tuple[Range, FoundValues, list[str]]:
    found = _find_values(images, where)
    if settings.range != "auto":
        # Of colours of 16 bits the upper 8 are read: their whole range is a byte's.
        given = BYTES if images.n_halved and settings.range == SIXTEEN_BITS else settings.range
        _check_halved(images, given, found, where)
        return given, found, describe_clipping(images, given)
    try:
        if _are_all_transparent(images):
            pixel_range, warning = range_of_transparent(found)
        else:
            pixel_range, warning = find_range(found, where=where)
    except UnclearRangeError as error:
        low, high = error.as_before
        if not (settings.unclear_as_before and low <= found.lowest and found.highest <= high):
            raise
        pixel_range, warning = error.as_before, None
    _check_halved(images, pixel_range, found, where)
    if not settings.unclear_as_before:
        _refuse_few_beyond_bytes(images, found, where)
    if images.n_faint and not settings.unclear_as_before:
        problem = (
            f"{images.n_faint:,} of {len(images):,} pictures have colours of 16 bits and use few of the upper 8, which "
            "are all that is read of them"
        )
        raise UnreadableDataError(where, problem, remedy="Save them with 8 bits a colour, or set `data.range`.")
    if found.kind == "float" and pixel_range[1] > 1:
        _refuse_mixed_scales(images.values, found, where)
    if pixel_range[1] >= _LEAST_OF_STEPS and not settings.unclear_as_before:
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
    lowest, highest = extremes(values, limits, where=where)
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
    highest = values.reshape(len(values), -1).max(axis=1)
    in_unit = values[(highest > 0) & (highest <= 1 + slack_of(UNIT))]
    fractional = [image for image in in_unit if (image % 1).any()]
    if fractional:
        problem = (
            f"{len(fractional):,} of {len(values):,} images have fractions up to 1, others values up to "
            f"{found.highest:.9g}"
        )
        raise UnreadableDataError(where, problem, remedy="Store all images in one range, or set `data.range`.")


def describe_clipping(images: StoredImages, pixel_range: Range) -> list[str]:
    """Return a warning where visible values are outside of a range that a person has set, or nothing."""
    low, high = pixel_range
    lowest, highest = extremes(images.colours, images.limits, where="")
    if low - slack_of(pixel_range) <= lowest and highest <= high + slack_of(pixel_range):
        return []
    is_outside = (images.colours < low) | (images.colours > high)
    if images.has_alpha:
        is_outside &= images.values[..., images.channels :] > 0
    outside = is_outside.mean()
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


def _look_for_blank_images(
    levels: NDArray[np.uint8], images: StoredImages, settings: PixelSettings, where: Path | str
) -> list[str]:
    flat = levels.reshape(len(levels), -1)
    lowest, highest = flat.min(axis=1), flat.max(axis=1)
    if lowest.min() == highest.max():
        problem = f"every pixel of every image would be {highest[0]} of 255 for models, expected pictures"
        raise UnreadableDataError(where, problem, remedy="Look at `data.range` and `data.background`.")
    typical = int(np.median(highest))
    if settings.range != "auto" and typical < DIM_LEVEL:
        low, high = settings.range
        text = f"data.range = [{low:.9g}, {high:.9g}] is far wider than their values"
        return [f"Half of the pictures are no brighter than {typical} of 255 for models, as {text}."]
    if settings.range == "auto" and not settings.unclear_as_before and typical < DIM_LEVEL:
        problem = (
            f"half of the pictures are no brighter than {typical} of 255 as models would see them, so that a few "
            "brighter pixels decide what is white"
        )
        raise UnreadableDataError(where, problem, remedy="Set what is black and white, as in `data.range = [0, 255]`.")
    is_blank = highest - lowest <= 1
    if not is_blank.any():
        return []
    n_blank = int(is_blank.sum())
    verb = "is" if n_blank == 1 else "are"
    first = images.place_of(int(is_blank.argmax()))
    return [f"{n_blank:,} of {len(levels):,} pictures {verb} of a single colour; the first is {first}."]


def _decide_polarity(
    levels: NDArray[np.uint8], settings: PixelSettings, *, may_be_strokes: bool
) -> tuple[Polarity | None, bool, list[str]]:
    """Return the polarity of most pictures, whether all are inverted, and warnings."""
    if not may_be_strokes:
        return None, settings.invert is True, []
    n_dark_on_light = int(are_dark_on_light(levels).sum())
    share = n_dark_on_light / len(levels)
    is_mixed = MIXED_SHARE < share < 1 - MIXED_SHARE
    polarity: Polarity = "mixed" if is_mixed else "dark on light" if share > 0.5 else "light on dark"  # noqa: PLR2004
    if settings.invert != "auto":
        return polarity, settings.invert, []
    inverted = share > 0.5  # noqa: PLR2004 - most of them
    taken = "all are inverted" if inverted else "all are left as they are"
    if is_mixed:
        text = (
            f"{share:.0%} of the pictures are dark on light, the others light on dark: {taken}. Photographs may be so; "
            "characters are learned better when all are alike. Set `data.invert = true` or `false` to decide it."
        )
        return polarity, inverted, [text]
    if inverted:
        text = (
            f"{share:.0%} of the pictures are dark on light: {taken}, so that models see bright strokes on black. "
            "`data.invert = false` leaves them as they are."
        )
        return polarity, True, [text]
    return polarity, False, []
