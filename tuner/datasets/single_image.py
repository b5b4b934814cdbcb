"""One picture of any size, fitted to what a model was trained on."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.datasets.character_page import cut_out_character
from tuner.datasets.images import ImageFormat
from tuner.datasets.pictures import read_picture
from tuner.datasets.pixels import scale_picture, to_array
from tuner.datasets.polarity import are_dark_on_light, shows_strokes

#: MNIST scales a digit into 20 of its 28 pixels and centres its mass. Source: http://yann.lecun.com/exdb/mnist/
_MNIST_SHARE = 20 / 28
#: Smaller formats, such as scikit-learn's 8 x 8 digits, have no margin.
_SMALLEST_SIDE_WITH_MARGIN = 16


def read_image(path: Path, *, image_format: ImageFormat) -> NDArray[np.uint8]:
    """Return a PNG or JPEG picture as a model expects it: uint8, shape (height, width, channels).

    A dark-on-light picture becomes light on dark where the format is small and grey. For classes that are single
    characters, a picture of another size than the format's is cropped to its strokes and centred; any other is scaled,
    whatever its aspect ratio, as training data is.

    Raises:
        UnreadableDataError: The file is missing, does not decode, is no PNG or JPEG, or has too many pixels.
    """
    picture = read_picture(path, channels=image_format.channels)
    size = (image_format.height, image_format.width)
    if not shows_strokes(image_format):
        return to_array(scale_picture(picture, size))
    pixels = to_array(picture)
    if are_dark_on_light(pixels[np.newaxis])[0]:
        pixels = np.uint8(255) - pixels
    if pixels.shape[:2] == size:
        return pixels
    if all(len(name) == 1 for name in image_format.class_names):
        return _fit_character(pixels[:, :, 0], image_format)
    return to_array(scale_picture(Image.fromarray(pixels[:, :, 0]), size))


def _fit_character(pixels: NDArray[np.uint8], image_format: ImageFormat) -> NDArray[np.uint8]:
    """Crop to the strokes, scale them into the format, centre their mass; with MNIST's margin where there is one."""
    strokes = cut_out_character(pixels)
    has_margin = _has_margin(image_format)
    frame = (image_format.height, image_format.width)
    share = _MNIST_SHARE if has_margin else 1.0
    scale = min(share * outer / inner for outer, inner in zip(frame, strokes.shape, strict=True))
    size = (max(1, round(strokes.shape[0] * scale)), max(1, round(strokes.shape[1] * scale)))
    scaled = np.asarray(scale_picture(Image.fromarray(strokes), size))
    # Counted from 0, MNIST's centres of mass lie between 13.5 and 14.5 of 28 pixels, half a pixel off the middle.
    top, left = (
        _place(scaled, length, middle=(length if has_margin else length - 1) / 2, axis=axis)
        for axis, length in enumerate(frame)
    )
    fitted = np.zeros(image_format.shape, np.uint8)
    fitted[top : top + size[0], left : left + size[1], 0] = scaled
    return fitted


def _has_margin(image_format: ImageFormat) -> bool:
    """MNIST and EMNIST leave a margin around Latin characters; Kuzushiji-MNIST fills the square."""
    is_tiny = min(image_format.height, image_format.width) < _SMALLEST_SIDE_WITH_MARGIN
    return not is_tiny and all(name.isascii() for name in image_format.class_names)


def _place(pixels: NDArray[np.uint8], length: int, *, middle: float, axis: int) -> int:
    """Return where along the axis to begin, so that the mass is in the middle and no pixel outside the frame."""
    mass = pixels.sum(axis=1 - axis, dtype=np.float64)
    centre = float(np.average(np.arange(len(mass)), weights=mass)) if mass.any() else len(mass) / 2
    return min(max(0, round(middle - centre)), length - len(mass))
