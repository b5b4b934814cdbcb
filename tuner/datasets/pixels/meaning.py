"""What a dataset's pixels mean, and the only place that turns stored pixels into the bytes that models are given.

`decision` decides it once, from the training part, when a study is created. The study and every bundle keep it,
and training, test, prediction and submission apply it in the same way. See `docs/pixels.md`.
"""

import math
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.large_arrays import empty_array, take_rows
from tuner.datasets.pixels.stored_range import BYTES, FLOAT_BITS, SIXTEEN_BITS, Range, slack_of
from tuner.datasets.pixels.transparency import Background, put_on_background
from tuner.datasets.reading import ResizeHow, Size, StoredImages, UnreadableDataError
from tuner.datasets.stored_rows import windows
from tuner.plain_values import JSONObject, StoredPixels

#: What most of the small grey training pictures are in their files; `mixed` where more than a tenth differ.
Polarity = Literal["light on dark", "dark on light", "mixed"]

#: Share of pictures of the rarer polarity from which a dataset counts as mixed.
MIXED_SHARE = 0.1
_DEEP = 16
#: Bytes converted at once, so that no second copy of a large array in floats is needed.
_CHUNK_BYTES = 2**26


@dataclass(frozen=True, kw_only=True)
class PixelMeaning:
    """What the pixels of one dataset mean, in all of its parts and in every picture that is predicted."""

    #: The stored values that become 0 and 255, and 0.0 and 1.0 for models.
    range: Range
    #: The lowest and the highest stored value of the training part, its background included; values beyond the range
    #: are clipped in every part where they were clipped in training, and refused otherwise.
    found: Range
    #: 8, 16, or 32 for floats: the bits that the range is for, where the training part is picture files; None where it
    #: is arrays.
    bits: int | None
    #: 1 for grey, 3 for RGB.
    channels: int
    #: The background that transparent pictures are put on; None: training had none, and each transparent picture gets
    #: one on which its figure is visible.
    background: Background | None
    #: In the files; None for pictures that are large or have colours.
    polarity: Polarity | None
    #: Whether all pictures are inverted, so that models see bright strokes on black.
    inverted: bool
    #: Height and width of all training images in their files; None where they differ.
    stored_size: Size | None
    #: Whether pictures of any size may be of this data, as `data.resize` scales people's own in every part.
    any_size: bool
    #: How pictures of another size than the model's are given it, here and in every other part.
    resize_how: ResizeHow = "stretch"

    def __post_init__(self) -> None:
        """Refuse values that no decision results in, as a forged bundle may hold.

        Raises:
            ValueError: The range is empty or infinite, or another number is impossible.
        """
        low, high = self.range
        if not (low < high and math.isfinite(high - low) and all(map(math.isfinite, self.found))):
            raise ValueError(f"received the range {self.range} of {self.found}, expected the lower number first")
        if (
            self.bits not in {None, 8, _DEEP, FLOAT_BITS}
            or self.channels not in {1, 3}
            or min(self.stored_size or (1,)) < 1
        ):
            raise ValueError("received bits, channels or a size that no pictures have")

    @property
    def colour(self) -> str:
        """`grey` or `RGB`."""
        return "grey" if self.channels == 1 else "RGB"

    @property
    def clips(self) -> bool:
        """Whether training had values outside of the range, which a person has set."""
        slack = slack_of(self.range)
        return self.found[0] < self.range[0] - slack or self.found[1] > self.range[1] + slack

    @property
    def shows_dark_strokes(self) -> bool:
        """Whether nearly all pictures are dark on light as models see them."""
        return self.polarity == ("light on dark" if self.inverted else "dark on light")

    def describe(self) -> str:
        """Return one line for people."""
        low, high = (f"{value:.9g}" for value in self.range)
        files = "arrays" if self.bits is None else f"pictures of {self.bits} bits"
        files = "pictures of floats" if self.bits == FLOAT_BITS else files
        parts = [f"{low} is black and {high} white in {files}", self.colour]
        if self.polarity is not None:
            parts.append("light on dark and dark on light mixed" if self.polarity == "mixed" else self.polarity)
        parts.append("inverted" if self.inverted else "not inverted")
        if self.background is not None:
            parts.append(f"transparent parts on {self.background}")
        if self.resize_how != "stretch":
            parts.append(f"other shapes {'cropped' if self.resize_how == 'crop' else 'padded'}")
        return ", ".join(parts)

    def to_json(self) -> JSONObject:
        """Return what `from_json` reads back, of JSON's types."""
        values = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: StoredPixels) -> "PixelMeaning":
        """Read what `to_json` wrote; other keys are ignored."""
        known: dict[str, Any] = {
            field.name: values[field.name] for field in fields(cls) if field.default is MISSING or field.name in values
        }
        for name in ("range", "found", "stored_size"):
            known[name] = None if known[name] is None else tuple(known[name])
        return cls(**known)

    def to_levels(self, images: StoredImages, *, where: Path | str) -> NDArray[np.uint8]:
        """Return images as bytes, not yet inverted: uint8, shape (n, height, width, channels).

        Raises:
            UnreadableDataError: A value is outside of the range that training decided.
        """
        levels = self.scale_colours(images, where=where)
        return put_on_background(levels, self.background) if images.has_alpha else levels

    def scale_colours(self, images: StoredImages, *, where: Path | str) -> NDArray[np.uint8]:
        """Return images as bytes, before transparent ones are put on a background: their opacity comes last as it is.

        Raises:
            UnreadableDataError: A value is outside of the range that training decided.
        """
        colours = images.colours
        if images.bits is None or (images.bits == self.bits).all():
            found = extremes(colours, images.limits, where=where)
            return _with_opacity(self._scale(colours, found, self.range, where), images)
        levels = empty_array(colours.shape, np.uint8, where=where)
        limits = images.image_limits
        is_same_depth = images.bits == self.bits
        if is_same_depth.any():
            values = take_rows(colours, np.flatnonzero(is_same_depth))
            found = extremes(values, limits[is_same_depth], where=where)
            levels[is_same_depth] = self._scale(values, found, self.range, where)
        # One by one, so that a picture is read alike in a test part and alone.
        for index in np.flatnonzero(~is_same_depth):
            values, (low, high) = colours[index : index + 1], limits[index]
            pixel_range = self._range_of_depth(high, int(images.bits[index]), where)
            levels[index] = self._scale(values, (low, high), pixel_range, where)[0]
        return _with_opacity(levels, images)

    def invert(self, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return levels as models are given them: inverted where the dataset's pictures are."""
        if not self.inverted:
            return levels
        inverted = empty_array(levels.shape, np.uint8, where="the images")
        for window in windows(levels):
            np.subtract(np.uint8(255), levels[window], out=inverted[window])
        return inverted

    def _range_of_depth(self, highest: float, bits: int, where: Path | str) -> Range:
        """Return which values of a picture file with these bits are black and white, where training had other files.

        It is the range of the training arrays where they held bytes, or where the picture's values fit into it, as when
        the arrays were saved as pictures. Otherwise a file of 8 bits goes to 255, and one of 16 bits to 65,535 where it
        uses the sixteenth, or to 255 where it uses eight. Floats have no range of their own.

        Raises:
            UnreadableDataError: The values do not show which range the picture has.
        """
        if bits == FLOAT_BITS and self.bits is not None:
            problem = f"holds floats, those of training are {self.bits}-bit pictures: nothing says what is white"
            raise UnreadableDataError(where, problem, remedy="Save it with 8 or 16 bits a pixel.")
        if bits == FLOAT_BITS:
            return self.range
        brightest = max(self.found[1], self.range[1])
        fits = self.bits is None and self.found[0] >= 0 and highest <= brightest
        if bits != _DEEP:
            held_bytes = self.bits is None and BYTES[1] / 2 < self.found[1] <= BYTES[1] + slack_of(BYTES)
            return self.range if held_bytes or (fits and brightest < BYTES[1]) else BYTES
        if fits and brightest > BYTES[1] + slack_of(BYTES):
            return self.range
        if highest <= BYTES[1]:
            return BYTES
        if highest <= SIXTEEN_BITS[1] / 2:
            problem = f"the brightest pixel of 16 bits is {highest:.9g}, which is neither of 0 to 255 nor of 0 to 65535"
            raise UnreadableDataError(
                where, problem, remedy="Save it with 8 bits a pixel, as `data.range` is for these."
            )
        return SIXTEEN_BITS

    def _scale(self, values: NDArray[Any], found: Range, pixel_range: Range, where: Path | str) -> NDArray[np.uint8]:
        """Return values of this range as bytes, some images at a time; `found` are their extremes in files."""
        lowest, highest = found
        slack = slack_of(pixel_range)
        if not self.clips and not (pixel_range[0] - slack <= lowest and highest <= pixel_range[1] + slack):
            problem = (
                f"pixel values go from {lowest:.9g} to {highest:.9g}, expected {pixel_range[0]:.9g} to "
                f"{pixel_range[1]:.9g} as in training"
            )
            remedy = "Store all parts in one range, or create a study whose `data.range` holds all values."
            raise UnreadableDataError(where, problem, remedy=remedy)
        if values.dtype == np.uint8 and pixel_range == BYTES:
            return values
        levels = empty_array(values.shape, np.uint8, where=where)
        # Of floats of 8 bytes, which they become, as many as may be in memory beside them.
        for window in windows(values, window_bytes=max(1, _CHUNK_BYTES * values.itemsize // 8)):
            levels[window] = _scale_chunk(values[window], pixel_range)
        return levels


def _with_opacity(levels: NDArray[np.uint8], images: StoredImages) -> NDArray[np.uint8]:
    """Return the levels, followed by the opacity of the images that they come from, where these have opacity."""
    if not images.has_alpha:
        return levels
    both = empty_array((*levels.shape[:3], levels.shape[3] + 1), np.uint8, where="the images")
    for window in windows(levels):
        both[window, ..., :-1] = levels[window]
        both[window, ..., -1:] = images.values[window, ..., images.channels :]
    return both


def extremes(
    values: NDArray[Any],
    limits: NDArray[np.float64] | None = None,
    *,
    where: Path | str,
    images: StoredImages | None = None,
) -> Range:
    """Return the lowest and the highest value of images, or of what they were before they were scaled.

    Args:
        values: Of the images.
        limits: The lowest and the highest of each image before it was scaled, shape (n, 2); None: those of the values.
        where: What an error names.
        images: Know where the faulty one is; None: nobody does.

    Raises:
        UnreadableDataError: One is NaN or infinite.
    """
    measured = values if limits is None else limits
    lowest, highest = float(measured.min()), float(measured.max())
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        received = "NaN" if math.isnan(lowest) else "infinite"
        place = ""
        if images is not None:
            are_faulty = ~np.isfinite(images.image_limits.astype(np.float64)).all(axis=1)
            place = f" in {images.place_of(int(are_faulty.argmax()))}"
        problem = f"a pixel is {received}{place}, expected numbers"
        raise UnreadableDataError(where, problem, remedy="Correct the images.")
    return lowest, highest


def _scale_chunk(values: NDArray[Any], pixel_range: Range) -> NDArray[Any]:
    # float32 stays float32, as in version 0.1.0: equal files give equal images.
    numbers: NDArray[Any] = values.astype(np.float32 if values.dtype == np.float32 else np.float64)
    low, high = pixel_range
    numbers -= low
    numbers *= BYTES[1] / (high - low)
    numbers.clip(0, BYTES[1], out=numbers)
    levels: NDArray[Any] = np.rint(numbers, out=numbers)
    return levels
