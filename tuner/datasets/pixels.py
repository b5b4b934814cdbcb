"""Arrays of pixels as the package holds them: uint8, shape (n, height, width, channels)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.datasets.reading import Size, UnreadableDataError, check_decoded_size

_LARGEST = 255
#: From here on means of whole blocks are scaled: 64 megapixels take 0.08 s instead of 0.8, levels differ by 1 at most.
_HUGE_PIXELS = 2**24
_REDUCING_GAP = 3.0
_WITHOUT_CHANNELS = 3
_WITH_CHANNELS = 4


def to_uint8_images(array: NDArray[Any], *, where: Path | str) -> NDArray[np.uint8]:
    """Return images as uint8, shape (n, height, width, channels), values 0 to 255.

    Args:
        array: Shape (n, height, width), or with 1 or 3 channels at the end; booleans, integers from 0 to 255, or floats
            in 0..1 (scaled) or 0..255 (rounded).
        where: What an error names.

    Raises:
        UnreadableDataError: Shape, type or range are other than that.
    """
    if array.ndim == _WITHOUT_CHANNELS:
        array = array[..., np.newaxis]
    if array.ndim != _WITH_CHANNELS or array.shape[3] not in {1, 3} or 0 in array.shape:
        raise UnreadableDataError(
            where,
            f"images have the shape {array.shape}, expected (n, height, width) or (n, height, width, 1 or 3)",
            remedy="Reshape the array; channels come last.",
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(_LARGEST)
    if array.dtype.kind not in "iuf":
        raise UnreadableDataError(where, f"images are {array.dtype}, expected uint8 or floats", remedy="Store uint8.")
    low, high = array.min(), array.max()
    if np.isnan(low):
        raise UnreadableDataError(where, "a pixel is NaN, expected 0 to 1 or 0 to 255", remedy="Store uint8.")
    if low < 0 or high > _LARGEST:
        raise UnreadableDataError(
            where,
            f"pixel values go from {low} to {high}, expected 0 to 1 or 0 to 255",
            remedy="Undo any standardisation and store uint8.",
        )
    scale = _LARGEST if array.dtype.kind == "f" and high <= 1 else 1
    scaled: NDArray[np.uint8] = np.rint(array * scale).astype(np.uint8)
    return scaled


def resize_images(images: NDArray[np.uint8], size: Size, *, where: Path | str) -> NDArray[np.uint8]:
    """Return the images scaled to (height, width), whatever their aspect ratio; those of that size as they are."""
    n_images, height, width, channels = images.shape
    if (height, width) == size:
        return images
    check_decoded_size((n_images, *size, channels), item_bytes=1, where=where)
    resized = np.empty((n_images, *size, channels), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image[:, :, 0] if channels == 1 else image)
        resized[index] = to_array(scale_picture(picture, size))
    return resized


def scale_picture(picture: Image.Image, size: Size) -> Image.Image:
    """Return the picture scaled to (height, width); the filter widens when shrinking, so thin strokes do not vanish."""
    is_huge = picture.width * picture.height > _HUGE_PIXELS
    return picture.resize((size[1], size[0]), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP if is_huge else None)


def to_array(picture: Image.Image) -> NDArray[np.uint8]:
    """Return a grey or RGB picture as uint8, shape (height, width, channels)."""
    array = np.asarray(picture, np.uint8)
    return array[:, :, np.newaxis] if picture.mode == "L" else array
