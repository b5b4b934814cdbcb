"""Kaggle's digit-recognizer competition: its catalogue entry, and its images without labels to predict.

Source: https://www.kaggle.com/competitions/digit-recognizer/data
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.formats.csv_file import LABEL_COLUMN, CsvReader
from tuner.datasets.formats.csv_table import read_column_names, read_table
from tuner.datasets.images import ImageFormat
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.pixels.part_comparison import check_range_and_polarity
from tuner.datasets.pixels.scaling import resize_images
from tuner.datasets.published.entry import CatalogueEntry
from tuner.datasets.reading import Reader, StoredImages, UnreadableDataError

_log = logging.getLogger(__name__)

_HOW_TO_GET = (
    "Kaggle gives it to members only: download train.csv, and test.csv for a submission, from "
    "https://www.kaggle.com/competitions/digit-recognizer/data and put them into the folder kaggle-digits of "
    "TUNER_DATA."
)


def _open_reader(folder: Path) -> Reader:
    return CsvReader(train=folder / "train.csv", test=folder / "test.csv", n_pixels=784, if_missing=_HOW_TO_GET)


KAGGLE_DIGITS = CatalogueEntry(
    name="kaggle-digits",
    description="Kaggle's digit-recognizer: 42,000 labelled MNIST digits as CSV",
    image_format=ImageFormat(height=28, width=28, channels=1, class_names=tuple("0123456789")),
    open_reader=_open_reader,
    files_to_provide=("train.csv",),
    how_to_get=_HOW_TO_GET,
)


def read_unlabelled_csv(
    path: Path, *, image_format: ImageFormat, pixels: PixelMeaning | None = None
) -> NDArray[np.uint8]:
    """Return the images of Kaggle's `test.csv`, in its order: uint8, shape (n, height, width, channels).

    Args:
        path: The file.
        image_format: What the model was trained on.
        pixels: What training decided of the pixels; None for bundles of version 0.1.0, which read bytes as they are.

    Raises:
        UnreadableDataError: The file is damaged, has labels, or its images are not of the format or of the range.
    """
    remedy = "Give a CSV file without labels, such as Kaggle's test.csv."
    if LABEL_COLUMN in read_column_names(path):
        raise UnreadableDataError(path, f"has a column {LABEL_COLUMN}, expected pixels only", remedy=remedy)
    height, width, channels = image_format.shape
    if channels != 1:
        raise UnreadableDataError(path, "holds grey images, the model expects RGB", remedy=remedy)
    stored_height, stored_width = (pixels and pixels.stored_size) or (height, width)
    table = read_table(path, label_column=None, n_pixels=stored_height * stored_width)
    images = table.pixels.reshape(-1, stored_height, stored_width, 1)
    if pixels is None:
        return _check_bytes(images, path)
    stored = StoredImages(values=images)
    if images.dtype == np.uint8:
        # As pictures of 8 bits are; one range for the whole file.
        limits = np.tile([float(images.min()), float(images.max())], (len(images), 1))
        stored = replace(stored, bits=np.full(len(images), 8, np.uint8), limits=limits)
    levels = pixels.to_levels(stored, where=path)
    for warning in check_range_and_polarity(levels, pixels, where=path):
        _log.warning("%s: %s", path, warning)
    return pixels.invert(resize_images(levels, (height, width), how=pixels.resize_how, where=path))


def _check_bytes(images: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    if images.dtype == np.uint8:
        return images
    problem = f"pixel values go from {images.min():.9g} to {images.max():.9g}, expected whole numbers from 0 to 255"
    raise UnreadableDataError(path, problem, remedy="The bundle is of version 0.1.0, which reads bytes alone.")
