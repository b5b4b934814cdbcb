"""Read one picture of any size for a prediction, in the format that a model was trained on."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.datasets.images import ImageFormat
from tuner.datasets.pictures.character_page import cut_out_character
from tuner.datasets.pictures.file import StoredPicture, read_picture
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.pixels.polarity import are_dark_on_light, shows_strokes
from tuner.datasets.pixels.scaling import scale_image, scale_picture
from tuner.datasets.pixels.stored_range import BYTES

_log = logging.getLogger(__name__)

#: MNIST scales a digit into 20 of its 28 pixels and centres its mass. Source: http://yann.lecun.com/exdb/mnist/
_MNIST_SHARE = 20 / 28
#: Smaller formats, such as scikit-learn's 8 x 8 digits, have no margin.
_SMALLEST_SIDE_WITH_MARGIN = 16


def read_image(path: Path, *, image_format: ImageFormat, pixels: PixelMeaning | None = None) -> NDArray[np.uint8]:
    """Return a picture as a model expects it: uint8, shape (height, width, channels).

    The picture is read as the training pictures were: with their range, background and polarity, and fitted to the size
    as they were. The exception is a photograph of a character: a picture of another size than the data, for a small
    grey format whose classes are single characters. Its polarity is found from the photograph itself, it is cropped to
    its strokes and centred, and becomes light on dark, or dark on light where the training pictures are.

    Args:
        path: The picture.
        image_format: What the model was trained on.
        pixels: What training decided; None for bundles of version 0.1.0, for which each small grey picture is inverted
            by its own polarity, as that version did.

    Raises:
        UnreadableDataError: The file is missing, does not decode, has an unknown format or too many pixels, or its
            values are outside of the range that training decided.
    """
    picture = read_picture(path, channels=image_format.channels)
    if picture.is_faint:
        _log.warning("%s has colours of 16 bits and uses few of the upper 8, which are all that is read.", path)
    image = _read(picture, path, image_format, pixels)
    if image.min() == image.max():
        _log.warning("%s is of a single colour as the model sees it.", path)
    return image


def _read(
    picture: StoredPicture, path: Path, image_format: ImageFormat, pixels: PixelMeaning | None
) -> NDArray[np.uint8]:
    known = pixels or _before_meanings(image_format)
    if _may_be_photograph(image_format) and not known.any_size and known.stored_size != picture.size:
        return _read_photograph(picture, path, image_format, known)
    levels = _to_levels(picture, path, image_format, known)
    if pixels is None and shows_strokes(image_format):
        return _read_without_meaning(levels, path, image_format)
    if known.polarity not in {None, "mixed"} and _is_of_characters(image_format):
        _warn_of_another_polarity(levels, path, known)
    return known.invert(levels)


def _to_levels(
    picture: StoredPicture, path: Path, image_format: ImageFormat, pixels: PixelMeaning
) -> NDArray[np.uint8]:
    """Return the picture in the format's size, not yet inverted, by the same steps as in training."""
    size = (image_format.height, image_format.width)
    # Pictures of folders are scaled before they become bytes, arrays after.
    images = picture.to_images(None if pixels.bits is None else size, pixels.resize_how)
    return scale_image(pixels.to_levels(images, where=path)[0], size, pixels.resize_how)


def _may_be_photograph(image_format: ImageFormat) -> bool:
    return shows_strokes(image_format) and _is_of_characters(image_format)


def _is_of_characters(image_format: ImageFormat) -> bool:
    return all(len(name) == 1 for name in image_format.class_names)


def _read_photograph(
    picture: StoredPicture, path: Path, image_format: ImageFormat, pixels: PixelMeaning
) -> NDArray[np.uint8]:
    # A photograph has the whole range of its file, also where the training files had another.
    levels = replace(pixels, range=BYTES, found=BYTES, bits=8).to_levels(picture.to_images(), where=path)
    fitted = _fit_character(levels[0, :, :, 0], image_format)
    return np.uint8(255) - fitted if pixels.shows_dark_strokes else fitted


def _before_meanings(image_format: ImageFormat) -> PixelMeaning:
    """Return what version 0.1.0 assumed about every dataset."""
    return PixelMeaning(
        range=BYTES,
        found=BYTES,
        bits=8,
        channels=image_format.channels,
        background="white",
        polarity=None,
        inverted=False,
        stored_size=(image_format.height, image_format.width),
        any_size=False,
    )


def _read_without_meaning(levels: NDArray[np.uint8], path: Path, image_format: ImageFormat) -> NDArray[np.uint8]:
    if not _is_of_characters(image_format):
        _log.warning(
            "The bundle is of version 0.1.0 and does not say whether training inverted its pictures: %s is taken as "
            "light on dark. Retrain to be sure.",
            path,
        )
    return np.uint8(255) - levels if are_dark_on_light(levels[np.newaxis])[0] else levels


def _warn_of_another_polarity(levels: NDArray[np.uint8], path: Path, pixels: PixelMeaning) -> None:
    is_dark_on_light = bool(are_dark_on_light(levels[np.newaxis])[0])
    if is_dark_on_light != (pixels.polarity == "dark on light"):
        _log.warning(
            "%s is %s and the training pictures are %s: if it is a character, invert it.",
            path,
            "dark on light" if is_dark_on_light else "light on dark",
            pixels.polarity,
        )


def _fit_character(pixels: NDArray[np.uint8], image_format: ImageFormat) -> NDArray[np.uint8]:
    """Crop to the strokes, scale them to the format and centre their mass, with MNIST's margin in larger formats."""
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
    """Return the first index along the axis, so that the mass is in the middle and all pixels are in the frame."""
    mass = pixels.sum(axis=1 - axis, dtype=np.float64)
    centre = float(np.average(np.arange(len(mass)), weights=mass)) if mass.any() else len(mass) / 2
    return min(max(0, round(middle - centre)), length - len(mass))
