"""Mistakes of one model as files: its confusion matrix as PNG and CSV, its worst errors as PNG, its classes as JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tuner.bundles.predictions import Predictions
from tuner.class_metrics import confusion_matrix
from tuner.report.finals_results import predicted_classes
from tuner.report.mistakes import class_scores
from tuner.report.palette import COLOURS
from tuner.report.wording import percent, shortened

_INK, _SOFT, _LINE, _SURFACE, _HEAT = (COLOURS[name][0] for name in ("ink", "soft", "line", "surface", "heat"))
_CELL_PX, _LABEL_PX, _TEXT_PX = 44, 120, 13
#: With more classes the numbers no longer fit into their cells.
_LEGIBLE = 20
#: Limit of the picture's side; the cells of many classes are smaller.
_LARGEST_PX = 1200
_COLUMNS, _SHOWN, _SIDE_PX, _CAPTION_PX = 6, 24, 96, 40


@dataclass(frozen=True, kw_only=True)
class PictureFile:
    """A file about a model's mistakes."""

    name: str
    content: bytes


def picture_files(predictions: Predictions, class_names: Sequence[str]) -> tuple[PictureFile, ...]:
    """Draw a tested model's mistakes.

    Args:
        predictions: Of one model on the test set.
        class_names: In the order of the labels.
    """
    names = tuple(class_names)
    matrix = confusion_matrix(predictions.labels, predicted_classes(predictions), len(names))
    files = [
        PictureFile(name="confusion.png", content=_png(_draw_matrix(matrix, names))),
        PictureFile(name="confusion.csv", content=_matrix_as_csv(matrix, names)),
        PictureFile(
            name="classes.json",
            content=json.dumps([asdict(scores) for scores in class_scores(matrix, names)], indent=1).encode(),
        ),
    ]
    if len(predictions.error_images):
        files.insert(1, PictureFile(name="worst-errors.png", content=_png(_draw_errors(predictions, names))))
    return tuple(files)


def _draw_matrix(matrix: NDArray[np.int64], names: tuple[str, ...]) -> Image.Image:
    n_classes = len(names)
    cell = min(_CELL_PX, max(1, (_LARGEST_PX - _LABEL_PX) // n_classes))
    legible = n_classes <= _LEGIBLE
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    # The square root keeps single mistakes visible beside frequent ones.
    heat = np.sqrt(mistakes) / max(1.0, float(mistakes.max()) ** 0.5)
    picture = Image.new("RGB", (_LABEL_PX + cell * n_classes + 8, _LABEL_PX + cell * n_classes + 8), _SURFACE)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_TEXT_PX)
    pen.text((8, 8), "rows: true class\ncolumns: predicted", fill=_SOFT, font=font)
    for row in range(n_classes):
        for column in range(n_classes):
            left, top = _LABEL_PX + column * cell, _LABEL_PX + row * cell
            colour = _between(_SURFACE, _HEAT, float(heat[row, column]))
            pen.rectangle((left, top, left + cell - 1, top + cell - 1), fill=colour, outline=_LINE if legible else None)
            if legible and matrix[row, column]:
                middle = (left + cell / 2, top + cell / 2)
                pen.text(middle, str(matrix[row, column]), fill=_INK, font=font, anchor="mm")
    if legible:
        for index, name in enumerate(names):
            middle_px = _LABEL_PX + index * cell + cell / 2
            short = shortened(name, width=13)
            pen.text((_LABEL_PX - 8, middle_px), short, fill=_INK, font=font, anchor="rm")
            pen.text((middle_px, _LABEL_PX - 8), shortened(name, width=5), fill=_INK, font=font, anchor="ms")
    return picture


def _draw_errors(predictions: Predictions, names: tuple[str, ...]) -> Image.Image:
    shown = min(_SHOWN, len(predictions.error_images))
    rows = -(-shown // _COLUMNS)
    step_x, step_y = _SIDE_PX + 24, _SIDE_PX + _CAPTION_PX
    picture = Image.new("RGB", (step_x * _COLUMNS, step_y * rows + 8), _SURFACE)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_TEXT_PX - 1)
    for position in range(shown):
        pixels = predictions.error_images[position]
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
        left, top = 12 + position % _COLUMNS * step_x, 8 + position // _COLUMNS * step_y
        picture.paste(image.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.NEAREST), (left, top))
        index = int(predictions.error_indices[position])
        taken = int(predictions.probabilities[index].argmax())
        sure = percent(float(predictions.probabilities[index, taken]), digits=1)
        true = shortened(names[int(predictions.labels[index])], width=12)
        caption = f"true {true}\n{shortened(names[taken], width=9)}, {sure}"
        pen.text((left, top + _SIDE_PX + 2), caption, fill=_INK, font=font)
    return picture


def _matrix_as_csv(matrix: NDArray[np.int64], names: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true class \\ predicted", *names])
    writer.writerows([name, *map(int, counts)] for name, counts in zip(names, matrix, strict=True))
    return text.getvalue().encode("utf-8", errors="replace")


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _between(low: str, high: str, share: float) -> tuple[int, int, int]:
    ends = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (low, high)]
    red, green, blue = (round(start + (end - start) * share) for start, end in zip(*ends, strict=True))
    return red, green, blue
