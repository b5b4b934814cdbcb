"""PNG and JPEG files of unknown origin, decoded within bounds."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tuner.datasets.reading import UnreadableDataError

#: File name endings that folders of pictures are searched for.
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
#: Most pixels of one picture: 64 megapixels, above any phone's default, below what hurts (192 MiB in RGB).
MAX_PICTURE_PIXELS = 2**26

_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L"})
_REMEDY = "Remove it, or save it anew as PNG or JPEG."


def picture_layout(path: Path) -> tuple[int, int, int]:
    """Return height, width and channels (1 for grey, 3 for colour) from the header, without decoding the pixels.

    Raises:
        UnreadableDataError: It is no PNG or JPEG, or has too many pixels.
    """
    with _opened(path) as picture:
        # EXIF orientations 5 to 8 lie on their side.
        turned = picture.getexif().get(0x0112, 1) > 4  # noqa: PLR2004 - see above
        width, height = reversed(picture.size) if turned else picture.size
        return height, width, 1 if picture.mode in _GREY_MODES else 3


def read_picture(path: Path, *, channels: int) -> Image.Image:
    """Return the picture upright, grey (mode L) for 1 channel or RGB for 3; transparent parts become white.

    Raises:
        UnreadableDataError: It does not decode, is no PNG or JPEG, or has too many pixels.
    """
    with _opened(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.has_transparency_data:
            paper = Image.new("RGBA", upright.size, "white")
            upright = Image.alpha_composite(paper, upright.convert("RGBA"))
        elif upright.mode.startswith("I"):  # 16 bits a pixel; `convert` would clip them at 255
            upright = Image.fromarray((np.asarray(upright, np.uint32) >> 8).clip(0, 255).astype(np.uint8))
        return upright.convert("L" if channels == 1 else "RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own, lower bound follows
            picture = Image.open(path, formats=["PNG", "JPEG"])
        with picture:
            width, height = picture.size
            if width * height > MAX_PICTURE_PIXELS:
                problem = f"claims {width} x {height} pixels, expected at most {MAX_PICTURE_PIXELS:,} in all"
                raise UnreadableDataError(path, problem, remedy=_REMEDY)
            yield picture
    except Image.DecompressionBombError as error:
        problem = f"claims more than {MAX_PICTURE_PIXELS:,} pixels"
        raise UnreadableDataError(path, problem, remedy=_REMEDY) from error
    except UnidentifiedImageError as error:
        raise UnreadableDataError(path, "is no PNG or JPEG picture", remedy=_REMEDY) from error
    except OSError as error:
        problem = error.strerror or f"does not decode ({error})"
        raise UnreadableDataError(path, problem, remedy=_REMEDY) from error
    except (SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise UnreadableDataError(path, f"does not decode ({error})", remedy=_REMEDY) from error
