"""Whether a test part is stored as its training part is: in one range, in as many steps, and not as its negative.

What is certainly wrong is an error; what merely looks wrong is a warning, as test pictures may be other than training
pictures. `PixelMeaning` has refused values outside of the training part's range before.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.pixels.meaning import MIXED_SHARE, PixelMeaning
from tuner.datasets.pixels.polarity import are_dark_on_light
from tuner.datasets.pixels.stored_range import BYTES
from tuner.datasets.reading import StoredImages, UnreadableDataError

#: Pictures of which too few are there to be called of one polarity.
_FEW = 10
#: A test part whose values spread less than this share of the training part's is of another range.
_LEAST_SPREAD = 1 / 8
#: Less than this share may be of another range, or dark.
_USUAL_SPREAD = 1 / 2
#: Pictures of a part that are looked at in detail.
_N_SAMPLES = 400
#: Levels of pictures that were rounded to 0 and 1, or to -1, 0 and 1; and the fewest of a picture with shades.
_ROUNDED_LEVELS = 3
_SHADES = 8
#: Bins of the histograms that tell a negative, and how far, from 0 to 1, these differ from others and from their own.
_N_BINS = 16
_UNLIKE = 0.5
_ALIKE = 0.25
_ONE_RANGE = "Store both parts in one range; see `data.range`."


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadPart:
    """Images of one part, as they stand in files and as they are understood."""

    stored: StoredImages
    #: uint8, shape (n, height, width, channels), not yet inverted.
    levels: NDArray[np.uint8]


def check_range_and_polarity(levels: NDArray[np.uint8], pixels: PixelMeaning, *, where: Path | str) -> list[str]:
    """Compare a test part with what is stored of the training part; return warnings.

    Args:
        levels: As in `ReadPart`.
        pixels: What training decided.
        where: What an error names.

    Raises:
        UnreadableDataError: The levels are a small part of the range, as 0 to 1 is of 0 to 255, or nearly all
            pictures are dark on light and those of training light on dark, or the other way round.
    """
    low, high = pixels.range
    trained = (min(pixels.found[1], high) - max(pixels.found[0], low)) / (high - low) * BYTES[1]
    spread = int(levels.max()) - int(levels.min())
    if len(levels) > 1 and spread < _LEAST_SPREAD * trained:
        problem = (
            f"the test part's pixels spread over {spread / BYTES[1]:.2%} of the range {low:.9g} to {high:.9g}, "
            f"those of training over {trained / BYTES[1]:.0%}"
        )
        raise UnreadableDataError(where, problem, remedy=_ONE_RANGE)
    if pixels.polarity not in {None, "mixed"} and len(levels) >= _FEW:
        share = float(are_dark_on_light(levels).mean())
        if (share if pixels.polarity == "light on dark" else 1 - share) > 1 - MIXED_SHARE:
            other = "dark on light" if pixels.polarity == "light on dark" else "light on dark"
            problem = f"the test part's pictures are {other}, those of training {pixels.polarity}"
            raise UnreadableDataError(where, problem, remedy="Invert one of them, so that both are alike.")
    if len(levels) >= _FEW and spread < _USUAL_SPREAD * trained:
        text = (
            f"its pixels spread over {spread / BYTES[1]:.0%} of the range, those of training over "
            f"{trained / BYTES[1]:.0%}: see whether both parts are stored in one range."
        )
        return [text]
    return []


def compare_parts(test: ReadPart, train: ReadPart, pixels: PixelMeaning, *, where: Path | str) -> list[str]:
    """Compare a test part with the training part itself; return warnings.

    Args:
        test: The test part.
        train: The training part.
        pixels: What training decided.
        where: What an error names.

    Raises:
        UnreadableDataError: As `check_range_and_polarity`; or numbers with fractions were cast to integers.
    """
    by_range = check_range_and_polarity(test.levels, pixels, where=where)
    return [
        *(_compare_typical_range(test, train) or by_range),
        *_compare_steps(test, train, where),
        *_look_for_negative(test, train),
    ]


def _compare_typical_range(test: ReadPart, train: ReadPart) -> list[str]:
    """Compare typical pictures: a few bright pixels do not hide that a part is of another range."""
    (low, high), (trained_low, trained_high) = _typical_range(test.levels), _typical_range(train.levels)
    middle = (trained_low + trained_high) / 2
    is_narrow = high - low < _USUAL_SPREAD * (trained_high - trained_low)
    if not is_narrow and low < middle < high:
        return []
    text = (
        f"a typical picture of it goes from {low:.0f} to {high:.0f} of 255 levels, one of the training part from "
        f"{trained_low:.0f} to {trained_high:.0f}; in files they go from {_found(test)}, and from {_found(train)}: see "
        "whether both parts are stored in one range."
    )
    return [text]


def _typical_range(levels: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the medians of the pictures' lowest and highest levels."""
    flat = levels.reshape(len(levels), -1)
    return float(np.median(flat.min(axis=1))), float(np.median(flat.max(axis=1)))


def _compare_steps(test: ReadPart, train: ReadPart, where: Path | str) -> list[str]:
    """Refuse, or doubt, pictures without shades beside pictures with shades."""
    tested, trained = _sample(test.levels), _sample(train.levels)
    if _is_rounded(tested) and _has_shades(trained):
        found = (
            f"the test part has the values {_some_values(test)} alone, the training part {_found(train)} with shades"
        )
        if train.stored.values.dtype.kind == "f" and test.stored.values.dtype.kind != "f":
            remedy = "The test images seem to have been cast to integers: store both parts as the same type."
            raise UnreadableDataError(where, found, remedy=remedy)
        return [f"{found}: see whether the test images were rounded."]
    if _is_rounded(trained) and _has_shades(tested):
        text = (
            f"the training part has the values {_some_values(train)} alone, the test part {_found(test)} with shades: "
            "see whether the training images were rounded."
        )
        return [text]
    return []


def _is_rounded(levels: NDArray[np.uint8]) -> bool:
    return len(np.unique(levels)) <= _ROUNDED_LEVELS


def _has_shades(levels: NDArray[np.uint8]) -> bool:
    return bool(np.median([len(np.unique(image)) for image in levels]) >= _SHADES)


def _look_for_negative(test: ReadPart, train: ReadPart) -> list[str]:
    tested, trained = _histogram(test.levels), _histogram(train.levels)
    if _distance(tested, trained) < _UNLIKE or _distance(tested, trained[::-1]) > _ALIKE:
        return []
    text = (
        "its levels are distributed as those of the training part's negative: if one of the parts is inverted, store "
        "both alike."
    )
    return [text]


def _histogram(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    counts = np.zeros(_N_BINS, np.int64)
    # One by one: NumPy counts int64, of which some hundred photographs would take half a gigabyte.
    for image in _sample(levels):
        counts += np.bincount(image.ravel() // (256 // _N_BINS), minlength=_N_BINS)
    return np.asarray(counts / counts.sum(), np.float64)


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the share of pixels, in [0, 1], that lie in other bins."""
    return float(np.abs(one - other).sum() / 2)


def _sample(levels: NDArray[Any]) -> NDArray[Any]:
    """Return some hundred of the images, taken evenly."""
    return levels[:: max(1, len(levels) // _N_SAMPLES)]


def _found(part: ReadPart) -> str:
    limits = part.stored.image_limits
    return f"{limits[:, 0].min():.9g} to {limits[:, 1].max():.9g}"


def _some_values(part: ReadPart) -> str:
    values = np.unique(_sample(part.stored.colours))[:_ROUNDED_LEVELS]
    return " and ".join(f"{float(value):.9g}" for value in values)
