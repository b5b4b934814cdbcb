"""Decide what the pixels of a training part mean: once for a study, with a warning for each guess."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.pixels.meaning import MIXED_SHARE, PixelMeaning, Polarity
from tuner.datasets.pixels.polarity import are_dark_on_light
from tuner.datasets.pixels.range_decision import decide_range
from tuner.datasets.pixels.stored_range import Range
from tuner.datasets.pixels.transparency import Background, choose_background, put_on_background
from tuner.datasets.pixels.warnings import DIM_LEVEL, compare_channels, describe_outliers, look_at_shape
from tuner.datasets.reading import ResizeHow, StoredImages, UnreadableDataError


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
    images: StoredImages,
    settings: PixelSettings,
    *,
    may_be_strokes: bool,
    any_size: bool,
    resize_how: ResizeHow = "stretch",
    where: Path | str,
) -> DecidedPixels:
    """Decide what the pixels of a whole training part mean.

    Args:
        images: All images of the training part.
        settings: What a person has set wins over what the images show.
        may_be_strokes: Models are given small grey pictures, which may be characters: they are inverted where most are
            dark on light.
        any_size: Images are scaled, so that pictures of any size may be of this data.
        resize_how: How these are given the images' size.
        where: What an error names.

    Raises:
        UnreadableDataError: A value is NaN, infinite, or negative without `data.range`; all pictures are of one
            colour; or nothing shows the range.
    """
    pixel_range, found, range_warnings = decide_range(
        images, settings.range, unclear_as_before=settings.unclear_as_before, where=where
    )
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
        resize_how=resize_how,
    )
    levels = meaning.scale_colours(images, where=where)
    background_warnings: list[str] = []
    if images.has_alpha:
        meaning, background_warnings = _decide_background(levels, meaning, settings, where)
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


def _decide_background(
    levels: NDArray[np.uint8], meaning: PixelMeaning, settings: PixelSettings, where: Path | str
) -> tuple[PixelMeaning, list[str]]:
    """Return the meaning with a background, whose values count as found, and warnings; levels have opacity."""
    warnings: list[str] = []
    if settings.background == "auto":
        background, warnings = choose_background(levels, where=where)
        meaning = replace(meaning, background=background)
    (low, high), (lowest, highest) = meaning.range, meaning.found
    values = {"white": (high,), "black": (low,), None: (low, high)}[meaning.background]
    return replace(meaning, found=(min(lowest, *values), max(highest, *values))), warnings


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
    warnings = [] if settings.unclear_as_before else describe_outliers(highest, images)
    is_blank = highest - lowest <= 1
    if not is_blank.any():
        return warnings
    n_blank = int(is_blank.sum())
    verb = "is" if n_blank == 1 else "are"
    first = images.place_of(int(is_blank.argmax()))
    return [*warnings, f"{n_blank:,} of {len(levels):,} pictures {verb} of a single colour; the first is {first}."]


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
