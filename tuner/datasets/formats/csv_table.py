"""CSV tables of pixels as Kaggle has them: a line of column names, then one grey image a line.

NumPy parses them: Kaggle's 42,000 lines of 785 cells take 1.1 s. Only lines with a bad cell are read again in Python,
to name the cell.
"""

import csv
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.formats.csv_columns import (
    LONGEST_CELL,
    Columns,
    find_columns,
    is_number,
    parse_column_names,
    take_group_column,
)
from tuner.datasets.formats.csv_pieces import KeptPieces, open_pieces
from tuner.datasets.large_arrays import GrowingArray
from tuner.datasets.progress import Progress, show_bytes
from tuner.datasets.reading import UnreadableDataError, is_pipe_or_device, refuse_lfs_pointer
from tuner.errors import shorten

_log = logging.getLogger(__name__)

_LINES_AT_ONCE = 4096
_LONGEST_HEADER = 2**24
_REMEDY = "Correct the file."


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A parsed table, or some lines of one."""

    #: Shape (n, pixels), columns in the order of the image: uint8 where all are bytes, else int32 where all are whole
    #: numbers, else float32.
    pixels: NDArray[Any]
    #: Shape (n,); empty text where the table has no label column.
    labels: NDArray[np.str_]
    #: Shape (n,); None where no column of groups was asked for.
    groups: NDArray[np.str_] | None
    #: float32, shape (n,), or (0,) where the table has no column of row numbers.
    row_numbers: NDArray[np.float32]
    #: Shape (n,): the line of the file that each row stands in, from 1.
    line_numbers: NDArray[np.int64]


def read_column_names(path: Path) -> tuple[str, ...]:
    """Return the names in the first line, reading no further.

    Raises:
        UnreadableDataError: The file is missing, no text, or its first line holds no names.
    """
    with _opened(path) as file:
        return parse_column_names(file.readline(_LONGEST_HEADER), path)


def read_table(
    path: Path,
    *,
    label_column: str | None,
    n_pixels: int | None = None,
    group_column: str | None = None,
    keep_in: Path | None = None,
) -> Table:
    """Read a table in which every column but the label's and the group's is a pixel.

    Args:
        path: A UTF-8 file, with or without byte order mark.
        label_column: None for a table of pixels only.
        n_pixels: How many there must be; None for any square number.
        group_column: None where images have no groups.
        keep_in: Where the rows of a large file are kept while they are read, see `csv_pieces`; None: nowhere.

    Raises:
        UnreadableDataError: A column is missing, or a cell is no number.
    """
    with _opened(path) as file:
        names = parse_column_names(file.readline(_LONGEST_HEADER), path)
        group, others = take_group_column(names, path, group_column)
        columns = find_columns(others, path, label_column=label_column, n_pixels=n_pixels)
        with open_pieces(path, keep_in, (label_column, n_pixels, group_column)) as pieces:
            table = _read_rows(file, columns, path, pieces, group=group)
    if columns.index is not None:
        _check_row_numbers(table, path)
        name = columns.names[columns.index] or "without a name"
        _log.warning("%s: the column %s holds row numbers and is not read as a pixel", path, name)
    return table


def _read_rows(file: TextIO, columns: Columns, path: Path, pieces: KeptPieces, *, group: int | None) -> Table:
    """Read the lines after the first, and after those that are kept."""
    chunks: list[Table] = []
    progress = Progress(f"Reading {path}", path.stat().st_size, show=show_bytes)
    with GrowingArray(where=path) as pixels:

        def take(chunk: Table) -> None:
            pixels.append(chunk.pixels)
            # The labels alone stay in memory.
            chunks.append(replace(chunk, pixels=chunk.pixels[:0].copy()))

        for kept in pieces.load():
            arrays: dict[str, Any] = {"groups": None, **kept}
            take(Table(**arrays))
        if pieces.position is not None:
            file.seek(pieces.position)
        next_line = pieces.next_line
        n_columns = len(columns.names) + (group is not None)
        for lines, next_line in _numbered_lines(file, path, n_columns=n_columns, first=next_line):  # noqa: B020 - goes on
            chunk = _parse(lines, columns, path, group)
            take(chunk)
            pieces.add(_arrays_of(chunk), position=file.tell(), next_line=next_line)
            progress.advance(sum(len(line) for _, line in lines))
        pieces.add({}, position=file.tell(), next_line=next_line, is_last=True)
        if not chunks:
            raise UnreadableDataError(path, "holds column names and no rows", remedy="Add one image a row.")
        return Table(
            pixels=pixels.to_array(),
            labels=np.concatenate([chunk.labels for chunk in chunks]),
            groups=None
            if group is None
            else np.concatenate([chunk.groups for chunk in chunks if chunk.groups is not None]),
            row_numbers=np.concatenate([chunk.row_numbers for chunk in chunks]),
            line_numbers=np.concatenate([chunk.line_numbers for chunk in chunks]),
        )


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        if is_pipe_or_device(path):
            raise UnreadableDataError(path, "is a pipe or a device, expected a file", remedy="Save the table first.")
        refuse_lfs_pointer(path)
        with path.open(encoding="utf-8-sig") as file:
            yield file
    except UnicodeDecodeError as error:
        raise UnreadableDataError(path, "is no UTF-8 text", remedy="Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise UnreadableDataError(path, error.strerror or str(error), remedy="Check the path.") from error


def _arrays_of(table: Table) -> dict[str, NDArray[Any]]:
    return {name: array for name, array in vars(table).items() if array is not None}


def _numbered_lines(
    file: TextIO, path: Path, *, n_columns: int, first: int
) -> Iterator[tuple[list[tuple[int, str]], int]]:
    """Yield the lines that hold something, with their numbers, some thousand at a time, and the next line's number."""
    longest = (LONGEST_CELL + 3) * n_columns + 1
    lines = enumerate(iter(lambda: file.readline(longest + 1), ""), start=first)
    while chunk := list(islice(lines, _LINES_AT_ONCE)):
        for number, line in chunk:
            if len(line) > longest:
                raise UnreadableDataError(path, f"line {number} is too long for {n_columns} cells", remedy=_REMEDY)
        if filled := [(number, line) for number, line in chunk if not line.isspace()]:
            yield filled, chunk[-1][0] + 1


def _parse(lines: Sequence[tuple[int, str]], columns: Columns, path: Path, group: int | None) -> Table:
    row_type = columns.row_type
    texts = [line for _, line in lines]
    load: Callable[..., NDArray[Any]] = partial(np.loadtxt, texts, comments=None, delimiter=",", quotechar='"', ndmin=1)
    others = None if group is None else [place for place in range(len(columns.names) + 1) if place != group]
    try:
        rows = load(dtype=row_type, usecols=others)
        groups = None if group is None else np.char.strip(load(dtype=f"U{LONGEST_CELL}", usecols=[group]))
    except ValueError as error:
        problem = _find_bad_cell(lines, columns, group) or str(error)
        raise UnreadableDataError(path, problem, remedy=_REMEDY) from error
    if groups is not None and "" in groups:
        line = lines[int(np.flatnonzero(groups == "")[0])][0]
        raise UnreadableDataError(path, f"line {line} has a blank for its group, expected one", remedy=_REMEDY)
    labels = rows["label"] if columns.label is not None else np.zeros(len(rows), "U1")
    runs = [rows[name] for name in ("before", "after") if name in (row_type.names or ())]
    numbers = np.concatenate(runs, axis=1)
    values = numbers[:, [_place_without_label(place, columns) for place in columns.pixels]]
    if not np.isfinite(values).all() or (np.char.str_len(labels) == LONGEST_CELL).any():
        problem = _find_bad_cell(lines, columns, group) or "is no table of numbers"
        raise UnreadableDataError(path, problem, remedy=_REMEDY)
    return Table(
        pixels=values.astype(_narrowest_type(values)),
        # No wider than needed: there may be millions.
        labels=np.array(np.char.strip(labels).tolist(), np.str_),
        groups=groups,
        row_numbers=numbers[:, 0] if columns.index is not None else np.zeros(0, np.float32),
        line_numbers=np.array([number for number, _ in lines], np.int64),
    )


def _narrowest_type(values: NDArray[np.float32]) -> type[np.number[Any]]:
    """Return a type that holds these values: a table does not say which it was written from."""
    if (values != np.floor(values)).any() or np.abs(values).max() > np.iinfo(np.int32).max:
        return np.float32
    return np.uint8 if values.min() >= 0 and values.max() <= np.iinfo(np.uint8).max else np.int32


def _place_without_label(place: int, columns: Columns) -> int:
    """Return a number's place in a row that lacks its label."""
    return place - (columns.label is not None and place > columns.label)


def _check_row_numbers(table: Table, path: Path) -> None:
    """Refuse a column without a name that does not number the rows, in any order."""
    numbers, counts = np.unique(table.row_numbers, return_counts=True)
    if (counts > 1).any() or (numbers != np.floor(numbers)).any() or not np.isfinite(numbers).all():
        problem = "the first column has no name, and its values are no row numbers, of which each occurs once"
        raise UnreadableDataError(path, problem, remedy="Name it label or pixel0 if it is that, else remove it.")


def _find_bad_cell(lines: Sequence[tuple[int, str]], columns: Columns, group: int | None) -> str:
    """Return what is wrong with the first bad cell, or nothing."""
    for number, line in lines:
        cells = next(csv.reader([line]))
        if group is not None:
            del cells[group : group + 1]
        if len(cells) != len(columns.names):
            return f"line {number} has {len(cells)} cells, expected {len(columns.names)}"
        for place, cell in enumerate(cells):
            where = f"line {number}, column {shorten(columns.names[place])}"
            if place == columns.label:
                if len(cell) >= LONGEST_CELL:
                    return f"{where}: a label of {len(cell)} characters, expected fewer than {LONGEST_CELL}"
            elif place == columns.index:
                if not is_number(cell):
                    received = shorten(cell.strip()) or "a blank"
                    return f"line {number}, the column without a name: received {received}, expected a row number"
            elif not (is_number(cell) and np.isfinite(np.float32(cell))):
                return f"{where}: received {cell.strip()[:LONGEST_CELL] or 'a blank'}, expected a number"
    return ""
