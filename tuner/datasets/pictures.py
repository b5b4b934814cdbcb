"""Picture files of unknown origin, decoded within bounds."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tuner.datasets.orientation import lies_on_its_side, put_upright
from tuner.datasets.reading import UnreadableDataError, is_pipe_or_device

#: File name endings that folders of pictures are searched for.
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp"})
#: Most pixels of one picture: 64 megapixels, above any phone's default, below what hurts (192 MiB in RGB).
MAX_PICTURE_PIXELS = 2**26

_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L"})
#: What Pillow raises on damaged files besides OSError: its decoders trust the lengths and types that a file declares.
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
_REMEDY = "Remove it, or save it anew as PNG or JPEG."
#: Pillow's names; nothing else is ever tried on a file.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_OTHER_KINDS = {".bmp": "BMP", ".gif": "GIF", ".webp": "WebP"}


def picture_layout(path: Path) -> tuple[int, int, int]:
    """Return height, width and channels (1 for grey, 3 for colour) from the header, without decoding the pixels.

    Raises:
        UnreadableDataError: It is no such picture, or has too many pixels.
    """
    with _opened(path) as picture:
        width, height = reversed(picture.size) if lies_on_its_side(picture, path) else picture.size
        return height, width, 1 if picture.mode in _GREY_MODES else 3


def read_picture(path: Path, *, channels: int) -> Image.Image:
    """Return the picture upright, grey (mode L) for 1 channel or RGB for 3; transparent parts become white.

    Of an animation it is the first frame.

    Raises:
        UnreadableDataError: It does not decode, is no such picture, or has too many pixels.
    """
    with _opened(path) as picture:
        upright = put_upright(picture, path)
        if upright.has_transparency_data:
            paper = Image.new("RGBA", upright.size, "white")
            upright = Image.alpha_composite(paper, upright.convert("RGBA"))
        elif upright.mode.startswith("I"):  # 16 bits a pixel; `convert` would clip them at 255
            upright = Image.fromarray((np.asarray(upright, np.uint32) >> 8).clip(0, 255).astype(np.uint8))
        return upright.convert("L" if channels == 1 else "RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        if is_pipe_or_device(path):
            raise UnreadableDataError(path, "is a pipe or a device, expected a file", remedy=_REMEDY)
        with warnings.catch_warnings():
            # About tags that nobody reads here, and about sizes, for which our own, lower bound follows.
            warnings.simplefilter("ignore")
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
        kind = _OTHER_KINDS.get(path.suffix.lower(), "PNG or JPEG")
        raise UnreadableDataError(path, f"is no {kind} picture", remedy=_REMEDY) from error
    except OSError as error:
        problem = error.strerror or f"does not decode ({error})"
        raise UnreadableDataError(path, problem, remedy=_REMEDY) from error
    except _DAMAGE as error:
        raise UnreadableDataError(path, f"does not decode ({error})", remedy=_REMEDY) from error
