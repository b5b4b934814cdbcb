"""Images and pictures scaled to a height and width."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.datasets.large_arrays import empty_array
from tuner.datasets.reading import ResizeHow, Size

#: Larger pictures are reduced by means of whole blocks before they are scaled: 64 megapixels take 0.08 s instead of
#: 0.8 s, and levels differ by 1 at most.
_HUGE_PIXELS = 2**24
_REDUCING_GAP = 3.0

#: Left, top, right, bottom.
_Box = tuple[float, float, float, float]


def resize_images(
    images: NDArray[np.uint8], size: Size, *, how: ResizeHow = "stretch", where: Path | str
) -> NDArray[np.uint8]:
    """Return the images in (height, width)."""
    n_images, height, width, channels = images.shape
    if (height, width) == size:
        return images
    resized = empty_array((n_images, *size, channels), np.uint8, where=where)
    for index, image in enumerate(images):
        resized[index] = scale_image(image, size, how)
    return resized


def scale_image(image: NDArray[np.uint8], size: Size, how: ResizeHow = "stretch") -> NDArray[np.uint8]:
    """Return one image in (height, width): uint8, shape (height, width, channels)."""
    if image.shape[:2] == size:
        return image
    return to_array(scale_picture(Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image), size, how))


def scale_picture(picture: Image.Image, size: Size, how: ResizeHow = "stretch") -> Image.Image:
    """Return the picture in (height, width); the filter is wider for smaller sizes, to keep thin strokes."""
    height, width = size
    if how == "crop":
        return _resize(picture, size, box=_middle(picture, width / height))
    if how == "pad":
        scale = min(height / picture.height, width / picture.width)
        inner = (max(1, round(picture.height * scale)), max(1, round(picture.width * scale)))
        return _surround(_resize(picture, inner), size, colour=_border_colour(picture))
    return _resize(picture, size)


def _resize(picture: Image.Image, size: Size, *, box: _Box | None = None) -> Image.Image:
    is_huge = picture.width * picture.height > _HUGE_PIXELS
    gap = _REDUCING_GAP if is_huge else None
    return picture.resize((size[1], size[0]), Image.Resampling.LANCZOS, box=box, reducing_gap=gap)


def _middle(picture: Image.Image, aspect: float) -> _Box:
    """Return the largest box in the middle of a picture whose width is `aspect` times its height."""
    width, height = min(picture.width, picture.height * aspect), min(picture.height, picture.width / aspect)
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    return (left, top, left + width, top + height)


def _border_colour(picture: Image.Image) -> NDArray[Any]:
    """Return the median value of a picture's outermost pixels, shape () or (channels,).

    Black bars would make a drawing on paper dark, and give a frame to one on a transparent ground.
    """
    width, height = picture.size
    lines = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    pixels = [np.asarray(picture.crop(line)) for line in lines]
    border = np.concatenate([line.reshape(-1, *line.shape[2:]) for line in pixels])
    return np.asarray(np.median(border, axis=0)).astype(border.dtype)


def _surround(picture: Image.Image, size: Size, *, colour: NDArray[Any]) -> Image.Image:
    """Return the picture in the middle of a larger one of this colour."""
    values = np.asarray(picture)
    filled = np.empty((*size, *values.shape[2:]), values.dtype)
    filled[...] = colour
    top, left = (size[0] - picture.height) // 2, (size[1] - picture.width) // 2
    filled[top : top + picture.height, left : left + picture.width] = values
    return Image.fromarray(filled)


def to_array(picture: Image.Image) -> NDArray[np.uint8]:
    """Return a grey or RGB picture, perhaps with opacity, as uint8, shape (height, width, channels)."""
    # NumPy would ask Pillow for the bytes twice, seconds for 64 megapixels.
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(picture.height, picture.width, len(picture.getbands()))
