"""Which stored values are black and white: the range of a training part's pixels, where its numbers show one.

The usual ranges are taken without a warning: booleans, floats up to 1, whole numbers whose largest needs the eighth bit
of 8 or the sixteenth of 16. A narrower range is taken with a warning where the largest value shows one (16, 100, 4,095
…). Anything else is an error, because a dark picture looks the same as one of a narrower range.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuner.datasets.reading import UnreadableDataError

#: The lowest and the highest stored value, which become 0 and 255.
Range = tuple[float, float]

BYTES: Range = (0.0, 255.0)
UNIT: Range = (0.0, 1.0)
SIXTEEN_BITS: Range = (0.0, 65535.0)
#: Bits of a picture file that holds floats, which are of any range.
FLOAT_BITS = 32

#: Largest values below 128 that show a range: 1 to 7 bits, and scales that people use.
_EVIDENT = (1, 3, 7, 15, 16, 31, 32, 63, 64, 100, 127)
#: Bits that cameras and scanners store in files of 16.
_DEPTHS = (10, 12, 14, 16)
#: Pictures divided by 255 twice.
_TWICE_DIVIDED = 1 / 255
#: No pixel is beyond it, and differences are still finite.
_LARGEST = 1e300
_LONGEST_TEXT = 80
#: Floats with a smaller maximum would be nearly black as bytes.
_FAINT = 32
_NUMBER = r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*"
_TWO_NUMBERS = re.compile(rf"\s*\[?{_NUMBER}(?:-|,|\.\.){_NUMBER}\]?\s*")


class UnclearRangeError(UnreadableDataError):
    """Nothing shows which stored values are black and white."""

    def __init__(self, where: Path | str, problem: str, *, remedy: str, as_before: Range) -> None:
        super().__init__(where, problem, remedy=remedy)
        #: The range that version 0.1.0 took without a warning.
        self.as_before = as_before


@dataclass(frozen=True, kw_only=True)
class FoundValues:
    """The pixels of a training part as they stand in the files."""

    lowest: float
    highest: float
    #: `bool`, `integer` or `float`.
    kind: str
    #: Bits of the picture files (32: floats), or of an array of uint8 or uint16; None for other arrays, whose
    #: type shows no range.
    bits: int | None
    #: The places of the lowest and the highest value, in brackets after a blank; empty where images have no places.
    lowest_in: str = ""
    highest_in: str = ""

    @property
    def text(self) -> str:
        return f"{self.lowest:.9g} to {self.highest:.9g}"


def parse_range(value: object) -> Literal["auto"] | Range:
    """Return a range that a person has given: `auto`, two numbers in a list, or in text such as `0-255` or `-1,1`.

    Raises:
        ValueError: It is none of these, or the first number is not below the second.
    """
    if value == "auto":
        return "auto"
    numbers = list(value) if isinstance(value, list | tuple) else []
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT and (text := _TWO_NUMBERS.fullmatch(value)):
        numbers = [float(number) for number in text.groups()]
    if len(numbers) == 2 and all(type(number) in {int, float} for number in numbers):  # noqa: PLR2004 - a pair
        low, high = numbers
        if low < high and abs(low) <= _LARGEST and abs(high) <= _LARGEST:
            return float(low), float(high)
    raise ValueError("expected the values that are black and white, the lower first, such as [0, 255], or auto")


def slack_of(pixel_range: Range) -> float:
    """Return how far beyond its range a value may be, to be clipped as a rounding error: a quarter of a grey level."""
    return (pixel_range[1] - pixel_range[0]) / (4 * 255)


def find_range(found: FoundValues, *, where: Path | str) -> tuple[Range, str | None]:
    """Return the range that the values show, and a warning where it is a guess.

    Raises:
        UnreadableDataError: All values are equal, or some are negative.
        UnclearRangeError: The values show no range.
    """
    if found.lowest == found.highest:
        problem = f"every pixel of every image is {found.highest:.9g}, expected pictures"
        raise UnreadableDataError(where, problem, remedy="Check how the images were written.")
    pixel_range, is_guess = _range_of_floats(found) if _is_small_float(found) else _range_of_whole_numbers(found)
    if found.lowest < -slack_of(pixel_range or UNIT):
        problem = f"pixel values go from {found.text}{found.lowest_in}, expected none below 0"
        raise UnreadableDataError(where, problem, remedy=_how_to_range_below_zero(found))
    if pixel_range is None:
        raise _unclear(found, where)
    if not is_guess:
        return pixel_range, None
    return pixel_range, (
        f"The pixel values go from {found.text}: {pixel_range[0]:.9g} is taken as black and {pixel_range[1]:.9g} as "
        f"white. This is a guess; if it is wrong, set `data.range`, as in `data.range = "
        f"{_alternative(pixel_range, found)}`."
    )


def range_of_transparent(found: FoundValues) -> tuple[Range, str | None]:
    """Return the range of pictures that are all transparent, and a warning where it is a guess.

    Their files have 8 bits, and dark figures are common in them: a maximum of 51 does not show a narrow range here.
    Black figures look the same in every range.
    """
    if found.highest == 0 or found.highest > BYTES[1] / 2:
        return BYTES, None
    return BYTES, (
        f"The visible colours of the transparent pictures go from {found.text}: 0 is taken as black and 255 as white, "
        f"so that the figures are dark. This is a guess; if it is wrong, set `data.range`, as in `data.range = "
        f"[0, {found.highest:.9g}]`."
    )


def _is_small_float(found: FoundValues) -> bool:
    return found.kind == "float" and found.highest < 2  # noqa: PLR2004 - the docstring of `_range_of_floats`


def _range_of_floats(found: FoundValues) -> tuple[Range | None, bool]:
    """Floats below 2: those that end at 1 are 0 to 1; above it they may be anything, such as sums."""
    if 0.5 < found.highest <= 1 + slack_of(UNIT):  # noqa: PLR2004 - the upper half of the range, as of 8 bits
        return UNIT, False
    if math.isclose(found.highest, _TWICE_DIVIDED, rel_tol=1e-3):
        return (0.0, _TWICE_DIVIDED), True
    return None, False


def _range_of_whole_numbers(found: FoundValues) -> tuple[Range | None, bool]:
    if found.kind == "bool":
        return UNIT, False
    if BYTES[1] / 2 < found.highest <= BYTES[1] + slack_of(BYTES):
        return BYTES, found.bits == 16  # noqa: PLR2004 - half of the bits are empty
    for evident in _EVIDENT:
        if abs(found.highest - evident) <= slack_of((0, evident)):
            return (0.0, float(evident)), True
    for depth in _DEPTHS:
        highest = 2**depth - 1
        if highest / 2 < found.highest <= highest:
            is_whole = depth == 16 and (found.bits == 16 or found.highest == highest)  # noqa: PLR2004 - the type's bits
            return (0.0, float(highest)), not is_whole
    return None, False


def _unclear(found: FoundValues, where: Path | str) -> UnclearRangeError:
    is_unit = found.kind == "float" and found.highest <= 1
    candidate = "0, 1" if _is_small_float(found) else "0, 255" if found.highest <= BYTES[1] else "0, 65535"
    own = f"0, {_round_up(found.highest):.9g}"
    if found.highest > SIXTEEN_BITS[1] or (found.kind == "float" and 2 <= found.highest < _FAINT):  # noqa: PLR2004
        candidate = own
    either = f"`data.range = [{candidate}]`" + (f" or `[{own}]`" if own != candidate else "")
    problem = (
        f"the pixel values go from {found.text}{found.highest_in}, which shows neither 0 to 1 nor 0 to 255 nor another "
        "range: dark pictures and a narrower range look alike"
    )
    if 1 < found.highest < 2 and found.kind == "float":  # noqa: PLR2004 - see `_range_of_floats`
        problem = f"the pixel values go from {found.text}{found.highest_in}, which is neither 0 to 1 nor 0 to 255"
    remedy = f"Set what is black and white: {either}; `--set data.range=…` or `tuner dataset show PATH --range …`."
    return UnclearRangeError(where, problem, remedy=remedy, as_before=UNIT if is_unit else BYTES)


def _how_to_range_below_zero(found: FoundValues) -> str:
    overshot = [pixel_range for pixel_range in (UNIT, BYTES) if _is_overshot(found, pixel_range)]
    low, high = (f"{value:.9g}" for value in (overshot[0] if overshot else _around(found)))
    otherwise = "which clips what an interpolation has put beyond it" if overshot else "or undo the standardisation"
    if not overshot and (bits := _bits_of_wrapped(found)):
        otherwise = (
            f"if 0 is grey; if values above {2 ** (bits - 1) - 1:,} became negative in a cast to int{bits}, store "
            f"`images.view(numpy.uint{bits})` of that array instead"
        )
    return (
        f"Set what is black and white: `data.range = [{low}, {high}]`, as in `--set data.range=[{low},{high}]`, "
        f"{otherwise}."
    )


def _bits_of_wrapped(found: FoundValues) -> int | None:
    """Return of how many bits a signed type is in which these values may have wrapped around; None where none is."""
    for bits in (8, 16):
        half = 2 ** (bits - 1)
        if found.kind == "integer" and -half <= found.lowest < -1 and half / 2 < found.highest < half:
            return bits
    return None


def _is_overshot(found: FoundValues, pixel_range: Range) -> bool:
    """Say whether the values go slightly beyond both ends of a range, as after bicubic interpolation."""
    high = pixel_range[1]
    is_finer = found.kind == "float" or pixel_range != UNIT
    return is_finer and -high / 4 < found.lowest and high / 2 < found.highest < high * 5 / 4


def _around(found: FoundValues) -> Range:
    """Return a plausible range with negative values: even around 0, or that of signed bytes."""
    bound = max(-found.lowest, found.highest)
    if found.kind == "integer":
        return (-128.0, 127.0) if 1 < bound <= 128 else (math.floor(found.lowest), found.highest)  # noqa: PLR2004
    # A bound that is slightly above a usual one is that one.
    usual = (limit for limit in (0.5, 1.0) if bound <= limit + slack_of((-limit, limit)))
    bound = next(usual, math.ceil(bound))
    return -bound, bound


def _round_up(value: float) -> float:
    return float(math.ceil(value)) if value > 1 else float(f"{value:.3g}")


def _alternative(pixel_range: Range, found: FoundValues) -> str:
    """Return another range than the guessed one."""
    if pixel_range[1] < 1:
        return "[0, 1]"
    if pixel_range == SIXTEEN_BITS:
        return f"[0, {_round_up(found.highest):.9g}]" if found.highest < SIXTEEN_BITS[1] else "[0, 255]"
    return "[0, 255]" if pixel_range[1] < BYTES[1] else "[0, 65535]"
