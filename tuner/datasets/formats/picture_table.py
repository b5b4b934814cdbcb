"""Tables that name pictures and their classes: `labels.csv`, and Hugging Face's `metadata.csv` or `metadata.jsonl`."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tuner.datasets.formats.csv_columns import parse_column_names
from tuner.datasets.left_out import TABLE_NAMES
from tuner.datasets.pictures.file import PICTURE_SUFFIXES
from tuner.datasets.reading import UnreadableDataError, is_pipe_or_device, listing, refuse_lfs_pointer
from tuner.errors import shorten

#: Names of the column with the files, the one that counts first; and of the column with the classes.
FILE_COLUMNS = ("file_name", "file", "filename", "path", "image")
LABEL_COLUMNS = ("label", "class", "target", "category")
#: A column of this name is that of the files where each cell names one picture, as in tables of Kaggle.
ID_COLUMNS = ("id", "image_id", "img_id")
ADD_NAMES = f"If the columns have no names, add a first line: {FILE_COLUMNS[0]},{LABEL_COLUMNS[0]}."
#: Bytes of a table: a million lines are 50 MB.
_LARGEST_BYTES = 2**29
#: Characters of a cell.
_LONGEST_CELL = 2**16
_REMEDY = "Correct the file."


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureTable:
    """A table as text, one row a picture."""

    path: Path
    #: By name; each has a cell for each row, empty where the row has none.
    columns: Mapping[str, Sequence[str]]
    #: The line of the file in which each row stands, from 1.
    line_numbers: Sequence[int]

    def take(self, rows: Sequence[int]) -> "PictureTable":
        """Return a table of some of the rows."""
        columns = {name: [cells[row] for row in rows] for name, cells in self.columns.items()}
        return PictureTable(path=self.path, columns=columns, line_numbers=[self.line_numbers[row] for row in rows])

    def find_column(self, names: Sequence[str]) -> str | None:
        """Return the first of these names that a column has, in whatever case; None where none has."""
        by_name = {name.lower(): name for name in self.columns}
        return next((by_name[name] for name in names if name in by_name), None)

    def find_label_column(self) -> str | None:
        """Return the name of the column with the classes, or None where there is none.

        Raises:
            UnreadableDataError: There are several.
        """
        found = [name for name in self.columns if name.lower() in LABEL_COLUMNS]
        if len(found) > 1:
            problem = f"has {len(found)} columns that may hold the classes, {', '.join(found)}, expected one"
            raise UnreadableDataError(self.path, problem, remedy="Rename the others, or leave them out.")
        return found[0] if found else None


@listing()
def find_table(folder: Path) -> Path | None:
    """Return the table of a folder, or None where it has none.

    Raises:
        UnreadableDataError: It has several.
    """
    found = [folder / name for name in TABLE_NAMES if (folder / name).exists()]
    if len(found) > 1:
        problem = f"holds {' and '.join(path.name for path in found)}, expected one table of its pictures"
        raise UnreadableDataError(folder, problem, remedy="Leave out all but one.")
    return found[0] if found else None


def read_classes(folder: Path) -> frozenset[str]:
    """Return the classes that the table of a folder names; none where it has no table, or that no column of them."""
    path = find_table(folder)
    table = None if path is None else read_picture_table(path)
    column = None if table is None else table.find_label_column()
    return frozenset() if table is None or column is None else frozenset(table.columns[column]) - {""}


def read_picture_table(path: Path) -> PictureTable:
    """Read a table.

    Raises:
        UnreadableDataError: It is missing, no text, or a line of it has another form than the others.
    """
    with _opened(path) as file:
        rows = list(_read_json_lines(file, path) if path.suffix == ".jsonl" else _read_csv(file, path))
    if not rows:
        raise UnreadableDataError(path, "has no rows", remedy="Add one picture a row.")
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    return PictureTable(
        path=path,
        columns={name: [row.get(name, "") for _, row in rows] for name in names},
        line_numbers=[number for number, _ in rows],
    )


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        if is_pipe_or_device(path):
            raise UnreadableDataError(path, "is a pipe or a device, expected a file", remedy="Save the table first.")
        refuse_lfs_pointer(path)
        n_bytes = path.stat().st_size
        if n_bytes > _LARGEST_BYTES:
            problem = f"is {n_bytes / 2**20:,.0f} MiB large, expected at most {_LARGEST_BYTES / 2**20:,.0f} MiB"
            raise UnreadableDataError(path, problem, remedy="Leave out the columns that are not read.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise UnreadableDataError(path, "is no UTF-8 text", remedy="Save it in UTF-8.") from error
    except OSError as error:
        raise UnreadableDataError(path, error.strerror or str(error), remedy="Check the path.") from error


def _read_csv(file: TextIO, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    first = file.readline(_LONGEST_CELL)
    _refuse_missing_names(first, path)
    names = parse_column_names(first, path)
    lines = csv.reader(file, strict=True)
    try:
        for cells in lines:
            number = lines.line_num + 1
            if not any(cells):
                continue
            if len(cells) != len(names):
                problem = f"line {number} has {len(cells)} cells, expected {len(names)}"
                raise UnreadableDataError(path, problem, remedy=_REMEDY)
            yield number, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        problem = f"line {lines.line_num + 1} is no line of a CSV file ({error})"
        raise UnreadableDataError(path, problem, remedy=_REMEDY) from error


def _refuse_missing_names(line: str, path: Path) -> None:
    """Refuse a first line that names a picture instead of the columns."""
    named = [
        cell for cell in map(str.strip, line.split(",")) if Path(cell.strip('"')).suffix.lower() in PICTURE_SUFFIXES
    ]
    if named:
        problem = f"line 1 names the picture {shorten(named[0])}, expected the names of the columns"
        raise UnreadableDataError(path, problem, remedy=ADD_NAMES)


def _read_json_lines(file: TextIO, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = f"line {number} is no JSON ({shorten(str(error))})"
            raise UnreadableDataError(path, problem, remedy=_REMEDY) from error
        if not isinstance(row, dict):
            problem = f'line {number} is {shorten(line.strip())}, expected an object such as {{"file_name": "a.png"}}'
            raise UnreadableDataError(path, problem, remedy=_REMEDY)
        yield number, {name: text for name, value in row.items() if (text := _as_text(value)) is not None}


def _as_text(value: Any) -> str | None:
    """Return a value as a CSV file would have it; None for what is no single value, such as a list of boxes."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip() if isinstance(value, str | int | float) else None
