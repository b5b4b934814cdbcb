"""CSV files: one table, or a folder with `train.csv` and perhaps a labelled `test.csv`."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.formats.arrays import store_array
from tuner.datasets.formats.csv_columns import find_columns, take_group_column
from tuner.datasets.formats.csv_table import read_column_names, read_table
from tuner.datasets.formats.labels import normalise_text
from tuner.datasets.left_out import TABLE_NAMES, VALIDATION_NAMES, LeftOut, count_files, is_hidden
from tuner.datasets.reading import FileFormat, RawExamples, Reader, ReadingSettings, UnreadableDataError

LABEL_COLUMN = "label"


@dataclass(frozen=True, kw_only=True)
class CsvReader:
    """One file of training images, and perhaps another of labelled test images."""

    train: Path
    #: None where the path is a file: other files beside it are not read.
    test: Path | None
    #: Pixels of an image, where the dataset is known; with None any square number.
    n_pixels: int | None = None
    #: The column that says to which group each image belongs; None: there are no groups.
    group: str | None = None
    #: Where the rows of a large file are kept while they are read; None: nowhere.
    keep_in: Path | None = None
    #: What to do when the training file is missing.
    if_missing: str = "Check the path."

    @property
    def has_test_set(self) -> bool:
        return self.test is not None and self.test.is_file() and LABEL_COLUMN in read_column_names(self.test)

    @property
    def left_out(self) -> LeftOut:
        if self.n_pixels is not None:  # the catalogue knows what its folder holds
            return LeftOut()
        read = {self.train} | ({self.test} if self.has_test_set else set())
        beside = [path for path in sorted(self.train.parent.iterdir()) if path not in read and not is_hidden(path)]
        if self.test is None:  # files beside a table that was named itself may be anything
            beside = [path for path in beside if _is_part_beside(path) and self.train.name == "train.csv"]
        counts = {self._tell_why(path): 1 for path in beside if path.suffix.lower() == ".csv"}
        counts |= {f"in {path.name}/": count for path in beside if path.is_dir() and (count := count_files(path))}
        return LeftOut(
            counts=counts,
            kinds_are_names=True,
            has_validation_part=any(path.stem.lower() in VALIDATION_NAMES for path in beside),
        )

    def _tell_why(self, path: Path) -> str:
        return f"{path.name} (no column {LABEL_COLUMN})" if path == self.test else path.name

    def read_train(self) -> RawExamples:
        if not self.train.is_file():
            raise UnreadableDataError(self.train.parent, f"{self.train.name} is missing", remedy=self.if_missing)
        return self._read(self.train)

    def read_test(self) -> RawExamples:
        if self.test is None:
            raise NotImplementedError("a file alone has no test part")
        trained, tested = (self._pixel_names(path) for path in (self.train, self.test))
        if trained != tested and sorted(trained) == sorted(tested):
            problem = f"its pixel columns stand in another order than those of {self.train.name}"
            raise UnreadableDataError(self.test, problem, remedy="Put the columns of both files in one order.")
        return self._read(self.test)

    def _pixel_names(self, path: Path) -> list[str]:
        """Return the names of the pixels' columns, in the order of the image."""
        _, names = take_group_column(read_column_names(path), path, self._group_of(path))
        columns = find_columns(names, path, label_column=LABEL_COLUMN, n_pixels=self.n_pixels)
        return [columns.names[place] for place in columns.pixels]

    def _group_of(self, path: Path) -> str | None:
        """Return the column of groups of a file; that of test images may be missing."""
        return self.group if path == self.train or self.group in read_column_names(path) else None

    def _read(self, path: Path) -> RawExamples:
        table = read_table(
            path,
            label_column=LABEL_COLUMN,
            n_pixels=self.n_pixels,
            group_column=self._group_of(path),
            keep_in=self.keep_in,
        )
        images = store_array(to_square_images(table.pixels), where=path)
        return RawExamples(
            images=replace(images, places=_Lines(table.line_numbers)),
            labels=read_labels(table.labels, table.line_numbers, path),
            groups=table.groups,
        )


class _Lines(Sequence[str]):
    """The lines of a table as places of images, of which there may be millions."""

    def __init__(self, numbers: NDArray[np.int64]) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "_Lines": ...
    def __getitem__(self, index: int | slice) -> "str | _Lines":
        if isinstance(index, slice):
            return _Lines(self._numbers[index])
        return f"line {self._numbers[index]}"


def _recognise(path: Path, reading: ReadingSettings) -> Reader | None:
    if path.suffix.lower() in CSV.suffixes and path.name.lower() not in TABLE_NAMES and path.is_file():
        return CsvReader(train=path, test=None, group=reading.group, keep_in=reading.decoded.folder)
    if not (path / "train.csv").is_file():
        return None
    return CsvReader(
        train=path / "train.csv", test=path / "test.csv", group=reading.group, keep_in=reading.decoded.folder
    )


CSV = FileFormat(
    name="a CSV file",
    descriptions=("a CSV file with the columns label, pixel0, …", "a folder with train.csv"),
    suffixes=(".csv",),
    recognise=_recognise,
)


def _is_part_beside(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and path.stem.lower() in VALIDATION_NAMES | {"test"}


def to_square_images(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels in the shape (n, side, side, 1); their number is a square."""
    side = math.isqrt(pixels.shape[1])
    return pixels.reshape(-1, side, side, 1)


def _differ_by_zeros(names: NDArray[np.str_]) -> bool:
    """Say whether names such as 1 and 01 would be the same class if they were numbers."""
    whole = {name.partition(".")[0].removeprefix("+") for name in map(str, names)}
    return len({int(name) for name in whole}) < len(whole)


def read_labels(
    labels: NDArray[np.str_], line_numbers: NDArray[np.int64], path: Path, *, column: str = LABEL_COLUMN
) -> NDArray[Any]:
    """Return the labels of a table as int64 where all of them are whole numbers, else as text.

    Raises:
        UnreadableDataError: A label is blank, or a number that is not whole.
    """
    names = np.unique(labels)
    for label in names:
        if not label or re.fullmatch(r"(?i)[+-]?(nan|inf|\d*\.\d*[1-9]\d*)", label):
            line = line_numbers[labels == label][0]
            problem = f"line {line}, column {column}: received {label or 'a blank'}, expected a whole number or a name"
            raise UnreadableDataError(path, problem, remedy="Correct the file.")
    if all(re.fullmatch(r"[+-]?\d{1,15}(\.0*)?", label) for label in names) and not _differ_by_zeros(names):
        return labels.astype(np.float64).astype(np.int64)
    return normalise_text(labels)
