"""A picture of a dataset: a row for each class, with its name and some of its images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tuner.datasets.fonts import Font, default_font, find_font, has_glyphs, romanise
from tuner.datasets.images import LabelledImages
from tuner.datasets.pixels.scaling import scale_picture
from tuner.errors import TunerError

_N_COLUMNS = 12
_MAX_ROWS = 50
_CELL_PIXELS = 56
_GAP_PIXELS = 4
_MARGIN_PIXELS = 12
_FONT_PIXELS = 20
_MAX_NAME_LENGTH = 24


class SheetNotWrittenError(TunerError):
    """The picture cannot be written to its path."""


def write_sample_sheet(data: LabelledImages, path: Path) -> None:
    """Write a PNG with up to 12 images of each of the first 50 classes; an older file is replaced.

    Class names that no installed font can write are shown as index and romanised name.

    Raises:
        SheetNotWrittenError: The file cannot be written.
    """
    names, font = _writable_names(data.class_names[:_MAX_ROWS])
    n_left_out = len(data.class_names) - len(names)
    name_pixels = round(max(font.getlength(name) for name in names)) + _MARGIN_PIXELS
    step = _CELL_PIXELS + _GAP_PIXELS
    width = 2 * _MARGIN_PIXELS + name_pixels + _N_COLUMNS * step
    height = 2 * _MARGIN_PIXELS + (len(names) + bool(n_left_out)) * step
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        top = _MARGIN_PIXELS + row * step
        draw.text((_MARGIN_PIXELS, top + _CELL_PIXELS / 2), name, fill="black", font=font, anchor="lm")
        for column, cell in enumerate(_sample_cells(data, row)):
            sheet.paste(cell, (_MARGIN_PIXELS + name_pixels + column * step, top))
    if n_left_out:
        text = f"and {n_left_out} more classes"
        draw.text((_MARGIN_PIXELS, height - _MARGIN_PIXELS), text, fill="black", font=font, anchor="lb")
    _save(sheet, path)


def write_image_sheet(images: NDArray[np.uint8], path: Path) -> None:
    """Write a PNG with all images in their order, 12 in a row; an older file is replaced.

    Args:
        images: Shape (n, height, width, channels).
        path: Where to write.

    Raises:
        SheetNotWrittenError: The file cannot be written.
    """
    step = _CELL_PIXELS + _GAP_PIXELS
    n_rows = max(1, -(-len(images) // _N_COLUMNS))
    n_columns = max(1, min(_N_COLUMNS, len(images)))
    sheet = Image.new("RGB", (n_columns * step + _GAP_PIXELS, n_rows * step + _GAP_PIXELS), "white")
    for index, image in enumerate(images):
        row, column = divmod(index, _N_COLUMNS)
        sheet.paste(_draw_cell(image), (_GAP_PIXELS + column * step, _GAP_PIXELS + row * step))
    _save(sheet, path)


def _save(sheet: Image.Image, path: Path) -> None:
    try:
        sheet.save(path, format="PNG")
    except OSError as error:
        raise SheetNotWrittenError(
            f"Could not write {path}: {error.strerror or error}. Name a file in a folder that is there and writable."
        ) from error


def _writable_names(class_names: tuple[str, ...]) -> tuple[list[str], Font]:
    names = [name[:_MAX_NAME_LENGTH] for name in class_names]
    font = find_font(names, size=_FONT_PIXELS)
    if font:
        return names, font
    latin = default_font(_FONT_PIXELS)
    if has_glyphs(latin, names):
        return names, latin
    return [f"{index} {romanise(name)}"[:_MAX_NAME_LENGTH] for index, name in enumerate(names)], latin


def _sample_cells(data: LabelledImages, label: int) -> list[Image.Image]:
    """Return up to one row of pictures, taken evenly from all images of the class."""
    members = np.flatnonzero(data.labels == label)
    chosen = members[np.linspace(0, len(members) - 1, min(_N_COLUMNS, len(members))).astype(np.intp)]
    return [_draw_cell(data.images[index]) for index in chosen]


def _draw_cell(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image.Image:
    """Return the picture as large as the cell allows: small ones enlarged pixel by pixel, large ones scaled down."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    longest = max(picture.size)
    if longest > _CELL_PIXELS:
        scale = _CELL_PIXELS / longest
        return scale_picture(picture, (max(1, round(picture.height * scale)), max(1, round(picture.width * scale))))
    factor = _CELL_PIXELS // longest
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
