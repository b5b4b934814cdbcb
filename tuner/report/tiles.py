"""Many small pictures as one, for pages: an image element each would be slow and large."""

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuner.report.markup import Html, element

#: Pixels between tiles, transparent.
_GAP = 1


def tile(pictures: Sequence[NDArray[np.uint8]], *, columns: int) -> Image.Image:
    """Return equally large pictures side by side, row by row, on a transparent ground.

    Args:
        pictures: uint8, shape (height, width) or (height, width, channels), 1 channel for grey or 3 for RGB.
        columns: Pictures in a row.
    """
    height, width = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new(
        "RGBA" if _is_coloured(pictures[0]) else "LA",
        (columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP),
    )
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(_to_picture(picture), (column * (width + _GAP), row * (height + _GAP)))
    return sheet


def picture_element(picture: Image.Image, *, alt: str, scale: float = 1.0) -> Html:
    """Write a picture, enlarged pixel by pixel; it shrinks where the page is narrower.

    Args:
        picture: To be shown.
        alt: What a screen reader reads instead; empty where the text beside it says the same.
        scale: CSS pixels for each of its pixels.
    """
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    uri = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    return element(
        "img",
        src=uri,
        alt=alt,
        width=round(picture.width * scale),
        height=round(picture.height * scale),
        loading="lazy",
        class_="tiles",
    )


def _is_coloured(picture: NDArray[np.uint8]) -> bool:
    return picture.ndim > 2 and picture.shape[2] > 1  # noqa: PLR2004 - a third axis holds channels


def _to_picture(picture: NDArray[np.uint8]) -> Image.Image:
    if _is_coloured(picture):
        return Image.fromarray(picture).convert("RGBA")
    return Image.fromarray(picture if picture.ndim == 2 else picture[:, :, 0]).convert("LA")  # noqa: PLR2004 - as above
