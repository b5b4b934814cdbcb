"""CSV tables of pixels, Kaggle's way: a line of column names, then one grey image a line, row by row of pixels.

Parsed with NumPy: Kaggle's 42,000 lines of 785 cells take 1.1 s. Only lines with a bad cell are gone through in Python,
to name the cell.
"""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.reading import UnreadableDataError

_LINES_AT_ONCE = 4096
#: Longest label or number that is still believed.
_LONGEST_CELL = 64
_LONGEST_HEADER = 2**24
_BYTES = range(256)
_EXPECTED = "expected a whole number from 0 to 255"
_REMEDY = "Correct the file."


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A parsed table, or some lines of one."""

    #: uint8, shape (n, pixels), columns in the order of the image.
    pixels: NDArray[np.uint8]
    #: Shape (n,); empty text where the table has no label column.
    labels: NDArray[np.str_]
    #: Shape (n,): the line of the file that each row stands in, from 1.
    line_numbers: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Columns:
    names: tuple[str, ...]
    #: Place of the label; None when the table has none.
    label: int | None
    #: Places of the pixels, in the order of the image.
    pixels: tuple[int, ...]

    @property
    def row_type(self) -> np.dtype[Any]:
        """One row as `numpy.loadtxt` gives it: the numbers before the label, the label, the numbers after it."""
        if self.label is None:
            return np.dtype([("before", "f4", (len(self.names),))])
        runs = [("before", "f4", (self.label,)), ("after", "f4", (len(self.names) - self.label - 1,))]
        fields = [runs[0], ("label", f"U{_LONGEST_CELL}"), runs[1]]
        return np.dtype([field for field in fields if field[-1] != (0,)])


def read_column_names(path: Path) -> tuple[str, ...]:
    """Return the names in the first line, reading no further.

    Raises:
        UnreadableDataError: The file is missing, no text, or its first line holds no names.
    """
    with _opened(path) as file:
        return _read_column_names(file, path)


def read_table(path: Path, *, label_column: str | None, n_pixels: int | None = None) -> Table:
    """Read a table in which every column but the label's is a pixel.

    Args:
        path: A UTF-8 file, with or without byte order mark.
        label_column: None for a table of pixels only.
        n_pixels: How many there must be; None for any square number.

    Raises:
        UnreadableDataError: A column is missing, or a cell is no whole number from 0 to 255.
    """
    with _opened(path) as file:
        names = _read_column_names(file, path)
        columns = _find_columns(names, path, label_column=label_column, n_pixels=n_pixels)
        chunks = [_parse(lines, columns, path) for lines in _numbered_lines(file, path, n_columns=len(names))]
    if not chunks:
        raise UnreadableDataError(path, "holds column names and no rows", remedy="Add one image a row.")
    return Table(
        pixels=np.concatenate([chunk.pixels for chunk in chunks]),
        labels=np.concatenate([chunk.labels for chunk in chunks]),
        line_numbers=np.concatenate([chunk.line_numbers for chunk in chunks]),
    )


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield file
    except UnicodeDecodeError as error:
        raise UnreadableDataError(path, "is no UTF-8 text", remedy="Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise UnreadableDataError(path, error.strerror or str(error), remedy="Check the path.") from error


def _read_column_names(file: TextIO, path: Path) -> tuple[str, ...]:
    line = file.readline(_LONGEST_HEADER)
    names = tuple(name.strip() for name in next(csv.reader([line]), []))
    if not names or any(not name or _is_number(name) for name in names):
        problem = f"line 1 reads {line[:40].strip()!r}, expected column names such as label,pixel0,pixel1"
        raise UnreadableDataError(path, problem, remedy="Add the line of names.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableDataError(path, f"the column {twice} is there more than once", remedy=_REMEDY)
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _find_columns(names: tuple[str, ...], path: Path, *, label_column: str | None, n_pixels: int | None) -> _Columns:
    label = names.index(label_column) if label_column in names else None
    if label_column and label is None:
        raise _missing_columns(path, [label_column], names)
    places = [place for place in range(len(names)) if place != label]
    if not places:
        raise _missing_columns(path, ["pixel0"], names)
    n_expected = n_pixels if n_pixels is not None else math.ceil(math.sqrt(len(places))) ** 2
    numbers = [re.fullmatch(r"pixel(\d{1,9})", names[place]) for place in places]
    place_of = {int(match[1]): place for match, place in zip(numbers, places, strict=True) if match}
    if len(place_of) == len(places):
        first = min(0 if n_pixels is not None else 1, *place_of)
        missing = [number for number in range(first, first + n_expected) if number not in place_of]
        if missing:
            raise _missing_columns(path, [f"pixel{number}" for number in missing], names)
        places = [place_of[number] for number in sorted(place_of)]
    if n_pixels is not None and len(places) != n_pixels:
        problem = f"has {len(places)} pixel columns, expected {n_pixels}"
        raise UnreadableDataError(path, problem, remedy=_REMEDY)
    return _Columns(names=names, label=label, pixels=tuple(places))


def _missing_columns(path: Path, missing: Sequence[str], names: Sequence[str]) -> UnreadableDataError:
    listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")  # noqa: PLR2004
    found = ", ".join(names[:3]) + (f", … ({len(names)} in all)" if len(names) > 3 else "")  # noqa: PLR2004
    return UnreadableDataError(path, f"the column {listed} is missing, found {found}", remedy=_REMEDY)


def _numbered_lines(file: TextIO, path: Path, *, n_columns: int) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines that hold something, with their numbers, some thousand at a time."""
    longest = (_LONGEST_CELL + 3) * n_columns + 1
    lines = enumerate(iter(lambda: file.readline(longest + 1), ""), start=2)
    while chunk := list(islice(lines, _LINES_AT_ONCE)):
        for number, line in chunk:
            if len(line) > longest:
                raise UnreadableDataError(path, f"line {number} is too long for {n_columns} cells", remedy=_REMEDY)
        if filled := [(number, line) for number, line in chunk if not line.isspace()]:
            yield filled


def _parse(lines: Sequence[tuple[int, str]], columns: _Columns, path: Path) -> Table:
    row_type = columns.row_type
    texts = [line for _, line in lines]
    try:
        rows = np.loadtxt(texts, row_type, comments=None, delimiter=",", quotechar='"', ndmin=1)
    except ValueError as error:
        raise UnreadableDataError(path, _find_bad_cell(lines, columns) or str(error), remedy=_REMEDY) from error
    labels = rows["label"] if columns.label is not None else np.zeros(len(rows), "U1")
    runs = [rows[name] for name in ("before", "after") if name in (row_type.names or ())]
    values = np.concatenate(runs, axis=1)[:, _without_label(columns)]
    good = (values >= 0) & (values <= 255) & (values == np.floor(values))  # noqa: PLR2004 - a byte; NaN fails too
    if not good.all() or (np.char.str_len(labels) == _LONGEST_CELL).any():
        raise UnreadableDataError(path, _find_bad_cell(lines, columns) or "is no table of bytes", remedy=_REMEDY)
    return Table(
        pixels=values.astype(np.uint8),
        labels=np.char.strip(labels),
        line_numbers=np.array([number for number, _ in lines], np.int64),
    )


def _without_label(columns: _Columns) -> list[int]:
    """Return the pixels' places in a row that lacks its label."""
    label = columns.label if columns.label is not None else len(columns.names)
    return [place - (place > label) for place in columns.pixels]


def _find_bad_cell(lines: Sequence[tuple[int, str]], columns: _Columns) -> str:
    """Return what is wrong with the first bad cell, or nothing."""
    for number, line in lines:
        cells = next(csv.reader([line]))
        if len(cells) != len(columns.names):
            return f"line {number} has {len(cells)} cells, expected {len(columns.names)}"
        for place, cell in enumerate(cells):
            where = f"line {number}, column {columns.names[place]}"
            if place == columns.label:
                if len(cell) >= _LONGEST_CELL:
                    return f"{where}: a label of {len(cell)} characters, expected fewer than {_LONGEST_CELL}"
            elif not (_is_number(cell) and float(cell) in _BYTES):
                return f"{where}: received {cell.strip()[:_LONGEST_CELL] or 'a blank'}, {_EXPECTED}"
    return ""
