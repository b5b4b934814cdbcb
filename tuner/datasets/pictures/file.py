"""Picture files of unknown origin, decoded within bounds."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from tuner.datasets.pictures.orientation import lies_on_its_side, put_upright
from tuner.datasets.pixels.scaling import scale_picture, to_array
from tuner.datasets.pixels.stored_range import FLOAT_BITS
from tuner.datasets.reading import (
    ResizeHow,
    Size,
    StoredImages,
    UnreadableDataError,
    is_pipe_or_device,
    refuse_lfs_pointer,
)

#: File name endings of pictures.
PICTURE_SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".webp"}
)
#: What these files are, as errors and help say it.
PICTURE_KINDS = "PNG, JPEG, TIFF, BMP, GIF or WebP"
#: Most pixels of one picture: 64 megapixels, more than any phone's default, 192 MiB in RGB.
MAX_PICTURE_PIXELS = 2**26
#: The upper 8 of 12 bits are less.
_FAINT = 16

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
#: Bits of pictures in Pillow's modes that have not 8; those of mode F are floats.
_BITS = {"I;16": 16, "F": FLOAT_BITS}
#: What Pillow raises on damaged files besides OSError: its decoders do not check the lengths and types in a file.
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
_REMEDY = "Remove it, or save it anew as PNG or JPEG."
#: How colour profiles spell sRGB, in each of their versions.
_SRGB = (b"sRGB", b"s\0R\0G\0B")
#: Pillow's names of the formats that a file may have.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")


def picture_layout(path: Path) -> tuple[int, int, int]:
    """Return height, width and channels (1 for grey, 3 for colour) from the header, without decoding the pixels.

    Raises:
        UnreadableDataError: It is no such picture, or has too many pixels.
    """
    with without_warnings():
        return picture_header(path).layout


@dataclass(frozen=True, kw_only=True)
class PictureHeader:
    """What a file says of its picture before the pixels."""

    #: Upright.
    height: int
    width: int
    #: 1 for grey, 3 for colour.
    channels: int
    #: Whether it has a colour profile other than sRGB, which is not applied.
    has_other_profile: bool

    @property
    def layout(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels


def picture_header(path: Path) -> PictureHeader:
    """Read a header as `picture_layout` does; what Pillow warns of is for the caller to silence."""
    with _opened(path) as picture:
        width, height = reversed(picture.size) if lies_on_its_side(picture, path) else picture.size
        channels = 1 if picture.mode in _GREY_MODES else 3
        profile = picture.info.get("icc_profile") or b""
        is_other = channels > 1 and bool(profile) and not any(name in profile for name in _SRGB)
        return PictureHeader(height=height, width=width, channels=channels, has_other_profile=is_other)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence what Pillow warns of: tags that are not read here, and sizes, which are checked here.

    It holds for the whole process: it must not be entered by several threads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredPicture:
    """One picture upright, with the pixels of its file."""

    #: Of mode L or RGB, LA or RGBA where it is transparent, I;16, or F.
    picture: Image.Image
    #: 1 for grey, 3 for RGB.
    channels: int
    #: The file has 16 bits, of which the upper 8 are read.
    is_halved: bool = False

    @property
    def has_alpha(self) -> bool:
        return self.picture.mode in {"LA", "RGBA"}

    @property
    def bits(self) -> int:
        """8, 16, or 32 for floats."""
        return _BITS.get(self.picture.mode, 8)

    @property
    def is_faint(self) -> bool:
        """Whether few of the upper 8 bits are used, as in pictures of 12 bits, and the picture is not black."""
        return self.is_halved and 0 < self.limits[1] < _FAINT

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.picture.height, self.picture.width

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest visible value; zeros where the picture is wholly transparent."""
        if self.has_alpha:
            return _visible_limits(self.picture)
        if self.picture.mode == "F":
            # Pillow's extremes leave out NaN.
            floats = np.asarray(self.picture)
            return float(floats.min()), float(floats.max())
        extremes = np.array(self.picture.getextrema(), np.float64)
        return float(extremes.min()), float(extremes.max())

    @property
    def values(self) -> NDArray[Any]:
        """The pixels: uint8, uint16 or float32, shape (height, width, channels), opacity comes last."""
        return self.scale(self.size)

    def scale(self, size: Size, how: ResizeHow = "stretch") -> NDArray[Any]:
        """Return the values in a height and width."""
        # Pillow scales it before it becomes an array, which takes 0.4 s for 64 megapixels.
        picture = self.picture if size == self.size else scale_picture(self.picture, size, how)
        if self.bits == 8:  # noqa: PLR2004 - a byte
            return to_array(picture)
        return np.repeat(np.asarray(picture)[:, :, np.newaxis], self.channels, axis=2)

    def to_images(self, size: Size | None = None, how: ResizeHow = "stretch") -> StoredImages:
        """Return the picture as a dataset of one image, in a size or as it is."""
        return StoredImages(
            values=self.scale(size or self.size, how)[np.newaxis],
            has_alpha=self.has_alpha,
            bits=np.array([self.bits], np.uint8),
            limits=np.array([self.limits]),
        )


def _visible_limits(picture: Image.Image) -> tuple[float, float]:
    """Return the lowest and the highest value of all pixels that are not wholly transparent."""
    *colours, opacity = picture.split()
    counts = sum(np.array(colour.histogram(mask=opacity)) for colour in colours)
    seen = np.flatnonzero(counts)
    return (float(seen[0]), float(seen[-1])) if len(seen) else (0.0, 0.0)


def read_picture(path: Path, *, channels: int) -> StoredPicture:
    """Return the picture upright, grey for 1 channel or RGB for 3, with opacity only where it is transparent.

    Of an animation, or of several pages, the first is read.

    Raises:
        UnreadableDataError: It does not decode, is no such picture, or has too many pixels.
    """
    with without_warnings():
        return decode_picture(path, channels=channels)


def decode_picture(path: Path, *, channels: int) -> StoredPicture:
    """Read a picture as `read_picture` does; what Pillow warns of is for the caller to silence."""
    with _opened(path) as picture:
        is_halved = _is_halved(picture)
        upright = put_upright(picture, path)
        if upright.mode.startswith("I"):
            return StoredPicture(picture=_read_deep(upright, path), channels=channels)
        if upright.mode == "F":
            upright.load()
            return StoredPicture(picture=upright, channels=channels)
        if upright.has_transparency_data:
            translucent = upright.convert("RGBA").convert("LA" if channels == 1 else "RGBA")
            if translucent.getchannel("A").getextrema() != (255, 255):
                return StoredPicture(picture=translucent, channels=channels, is_halved=is_halved)
        mode = "L" if channels == 1 else "RGB"
        # Loaded while the file is open; `convert` to the same mode would copy the pixels.
        upright.load()
        opaque = upright if upright.mode == mode else upright.convert(mode)
        return StoredPicture(picture=opaque, channels=channels, is_halved=is_halved)


def _is_halved(picture: Image.Image) -> bool:
    """Say whether a picture that is not decoded yet has more bits a colour than Pillow reads."""
    if picture.mode not in {"RGB", "RGBA"} or not isinstance(picture, ImageFile.ImageFile):
        return False
    return any(";16" in str(tile.args) for tile in picture.tile)


def _read_deep(picture: Image.Image, path: Path) -> Image.Image:
    """Return a grey picture of 16 bits in mode I;16; Pillow's `convert` would clip it at 255."""
    if "transparency" in picture.info:
        problem = "has 16 bits a pixel and a transparent grey, which are not read together"
        raise UnreadableDataError(path, problem, remedy="Save it with 8 bits a pixel, or on a background.")
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise UnreadableDataError(path, "has more than 16 bits a pixel", remedy="Save it with 8 or 16 bits a pixel.")
    return Image.fromarray(values.astype(np.uint16))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        if is_pipe_or_device(path):
            raise UnreadableDataError(path, "is a pipe or a device, expected a file", remedy=_REMEDY)
        with Image.open(path, formats=_FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PICTURE_PIXELS:
                problem = f"claims {width} x {height} pixels, expected at most {MAX_PICTURE_PIXELS:,} in all"
                raise UnreadableDataError(path, problem, remedy=_REMEDY)
            yield picture
    except Image.DecompressionBombError as error:
        problem = f"claims more than {MAX_PICTURE_PIXELS:,} pixels"
        raise UnreadableDataError(path, problem, remedy=_REMEDY) from error
    except UnidentifiedImageError as error:
        refuse_lfs_pointer(path)
        raise UnreadableDataError(path, f"is no {PICTURE_KINDS} picture", remedy=_REMEDY) from error
    except OSError as error:
        problem = error.strerror or f"does not decode ({error})"
        raise UnreadableDataError(path, problem, remedy=_REMEDY) from error
    except _DAMAGE as error:
        raise UnreadableDataError(path, f"does not decode ({error})", remedy=_REMEDY) from error
