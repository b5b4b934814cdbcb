"""Arrays of pixels as files hold them: their shape is checked, their values stay; and how images are scaled."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.datasets.reading import Size, StoredImages, UnreadableDataError, check_decoded_size

#: From here on means of whole blocks are scaled: 64 megapixels take 0.08 s instead of 0.8, levels differ by 1 at most.
_HUGE_PIXELS = 2**24
_REDUCING_GAP = 3.0
_WITHOUT_CHANNELS = 3
_WITH_CHANNELS = 4
_OPAQUE_CHANNELS = (1, 3)


def store_array(array: NDArray[Any], *, where: Path | str) -> StoredImages:
    """Return an array of images as what stands in a file.

    Args:
        array: Shape (n, height, width), or with 1 or 3 channels at the end; booleans, integers or floats of any range.
        where: What an error names.

    Raises:
        UnreadableDataError: Shape or type are other than that.
    """
    if array.ndim == _WITHOUT_CHANNELS:
        array = array[..., np.newaxis]
    if array.ndim != _WITH_CHANNELS or array.shape[3] not in _OPAQUE_CHANNELS or 0 in array.shape:
        raise UnreadableDataError(
            where,
            f"images have the shape {array.shape}, expected (n, height, width) or (n, height, width, 1 or 3)",
            remedy="Reshape the array; channels come last.",
        )
    if array.dtype.kind not in "biuf":
        raise UnreadableDataError(where, f"images are {array.dtype}, expected uint8 or floats", remedy="Store uint8.")
    return StoredImages(values=array, stored_size=(array.shape[1], array.shape[2]))


def resize_images(images: NDArray[np.uint8], size: Size, *, where: Path | str) -> NDArray[np.uint8]:
    """Return the images scaled to (height, width), whatever their aspect ratio; those of that size as they are."""
    n_images, height, width, channels = images.shape
    if (height, width) == size:
        return images
    check_decoded_size((n_images, *size, channels), item_bytes=1, where=where)
    resized = np.empty((n_images, *size, channels), np.uint8)
    for index, image in enumerate(images):
        resized[index] = scale_image(image, size)
    return resized


def scale_image(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Return one image scaled to (height, width): uint8, shape (height, width, channels)."""
    if image.shape[:2] == size:
        return image
    return to_array(scale_picture(Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image), size))


def scale_picture(picture: Image.Image, size: Size) -> Image.Image:
    """Return the picture scaled to (height, width); the filter widens when shrinking, so thin strokes do not vanish."""
    is_huge = picture.width * picture.height > _HUGE_PIXELS
    return picture.resize((size[1], size[0]), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP if is_huge else None)


def to_array(picture: Image.Image) -> NDArray[np.uint8]:
    """Return a grey or RGB picture, perhaps with opacity, as uint8, shape (height, width, channels)."""
    # NumPy would ask Pillow for the bytes twice, seconds for 64 megapixels.
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(picture.height, picture.width, len(picture.getbands()))
