"""The columns of a CSV table of pixels: what each is, judged by the line of names."""

import csv
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tuner.datasets.reading import UnreadableDataError
from tuner.errors import shorten

#: Characters of the longest label or number that is read.
LONGEST_CELL = 64
_REMEDY = "Correct the file."
_CLASS_FOLDERS = "A table that lists pictures by file name lies beside them; call it labels.csv or metadata.csv."
#: How many columns an error names.
_MOST_NAMED = 5
#: `pixel12`, `p012`, `12`: what comes before the number is the same for all.
_NUMBERED = re.compile(r"(.*?)(\d{1,9})")
#: `3x12`, `r3c12`, `pixel_3_12`: a row and a column, or a column and a row.
_PLACED = re.compile(r"(\D*)(\d{1,9})(\D+)(\d{1,9})")
_PIXEL = "pixel"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where a row has its label and its pixels."""

    names: tuple[str, ...]
    #: Place of the label; None when the table has none.
    label: int | None
    #: Place of the row numbers that pandas writes by default; None when the table has none.
    index: int | None
    #: Places of the pixels, in the order of the image.
    pixels: tuple[int, ...]

    @property
    def row_type(self) -> np.dtype[Any]:
        """One row as `numpy.loadtxt` gives it: the numbers before the label, the label, the numbers after it."""
        if self.label is None:
            return np.dtype([("before", "f4", (len(self.names),))])
        runs = [("before", "f4", (self.label,)), ("after", "f4", (len(self.names) - self.label - 1,))]
        fields = [runs[0], ("label", f"U{LONGEST_CELL}"), runs[1]]
        return np.dtype([field for field in fields if field[-1] != (0,)])


def parse_column_names(line: str, path: Path) -> tuple[str, ...]:
    """Return the names in the first line of a table; the first may be empty.

    Raises:
        UnreadableDataError: It holds no names, or a name twice, or separates them by something other than commas.
    """
    if "\0" in line:
        problem = "line 1 holds a NUL character, as files of Excel and others that are no text do"
        raise UnreadableDataError(path, problem, remedy="Save it as CSV in UTF-8.")
    try:
        names = tuple(name.strip() for name in next(csv.reader([line]), []))
    except csv.Error as error:
        raise UnreadableDataError(path, f"line 1 holds no column names ({error})", remedy=_REMEDY) from error
    _refuse_other_separators(line, path)
    if not any(names) or not _are_names(names):
        problem = f"line 1 reads {shorten(line.strip())!r}, expected column names such as label,pixel0,pixel1"
        raise UnreadableDataError(path, problem, remedy="Add the line of names.")
    if "" in names[1:]:
        problem = f"column {names.index('', 1) + 1} of {len(names)} has no name in line 1"
        raise UnreadableDataError(path, problem, remedy="Name it if it is a pixel, else remove it from every line.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableDataError(path, f"the column {shorten(twice)} is there more than once", remedy=_REMEDY)
    return names


def _are_names(names: Sequence[str]) -> bool:
    """Say whether these are names: no numbers, or the numbers 0, 1, … that pandas gives to columns without a name."""
    numbers = [name for name in names if is_number(name)]
    if len(numbers) == len(names) or not all(re.fullmatch(r"\d{1,9}", name) for name in numbers):
        return not numbers
    counted = sorted(map(int, numbers))
    return not counted or (counted[0] <= 1 and counted == list(range(counted[0], counted[0] + len(counted))))


def _refuse_other_separators(line: str, path: Path) -> None:
    for separator, name in {";": "semicolons", "\t": "tabs", "|": "vertical bars"}.items():
        if separator in line and "," not in line:
            problem = f"line 1 separates {line.count(separator) + 1} columns by {name}, expected commas"
            raise UnreadableDataError(
                path,
                problem,
                remedy=f"Save it anew, as with `pandas.read_csv(FILE, sep={separator!r}).to_csv(FILE, index=False)`.",
            )


def is_number(text: str) -> bool:
    """Say whether a text is a number as NumPy reads it, NaN and infinity included."""
    if "_" in text or not text.isascii():  # `float` takes 1_000 and other scripts' digits
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def take_group_column(names: tuple[str, ...], path: Path, group: str | None) -> tuple[int | None, tuple[str, ...]]:
    """Return the place of the column of groups, None without one, and all other names.

    Raises:
        UnreadableDataError: There is no column of that name.
    """
    if group is None:
        return None, names
    if group not in names:
        found = _list([shorten(name) for name in names], len(names), most=3)
        problem = f"has no column {shorten(group)!r}; its columns are {found}"
        raise UnreadableDataError(path, problem, remedy="Correct data.group, or leave it out.")
    place = names.index(group)
    return place, names[:place] + names[place + 1 :]


def find_columns(names: tuple[str, ...], path: Path, *, label_column: str | None, n_pixels: int | None) -> Columns:
    """Return what each column is.

    Args:
        names: Of all columns, in their order.
        path: What an error names.
        label_column: None for a table of pixels only.
        n_pixels: How many there must be; None for any square number.

    Raises:
        UnreadableDataError: The label or a pixel is missing, or a column is neither.
    """
    _refuse_whole_images(names, path)
    index = 0 if re.fullmatch(r"(Unnamed: \d{1,9})?", names[0]) else None
    label = names.index(label_column) if label_column in names else None
    if label_column and label is None:
        raise _missing_label(path, label_column, names)
    places = [place for place in range(len(names)) if place not in {label, index}]
    if not places:
        raise _missing_columns(path, ["pixel0"], 1, names)
    if len(places) == 1 and not _NUMBERED.fullmatch(names[places[0]]):
        problem = f"has the one column {shorten(names[places[0]])} beside the labels, expected a column for each pixel"
        raise UnreadableDataError(path, problem, remedy=_CLASS_FOLDERS)
    places = _put_in_order(places, names, path, label_column=label_column, n_pixels=n_pixels)
    if n_pixels is None:
        _check_square(len(places), path)
    elif len(places) != n_pixels:
        problem = f"has {len(places)} pixel columns, expected {n_pixels}"
        raise UnreadableDataError(path, problem, remedy=_REMEDY)
    return Columns(names=names, label=label, index=index, pixels=tuple(places))


def _refuse_whole_images(names: Sequence[str], path: Path) -> None:
    """Refuse tables that hold all pixels of an image in one cell, as FER2013 does."""
    column = next((name for name in names if name.lower() in {"pixels", "image"}), None)
    if column is None:
        return
    problem = f"the column {column} holds whole images, expected a column for each pixel"
    raise UnreadableDataError(
        path,
        problem,
        remedy=f"Store the images in an .npz file: `numpy.array([cell.split() for cell in table.{column}], 'uint8')` "
        "has one row an image, to be reshaped.",
    )


def _put_in_order(
    places: Sequence[int], names: Sequence[str], path: Path, *, label_column: str | None, n_pixels: int | None
) -> list[int]:
    """Return the places of the pixels in the order of their numbers, or in the table's where names have none.

    Raises:
        UnreadableDataError: Some have a number and others none, a number is missing, or rows and columns are mixed up.
    """
    prefix, numbers = _find_numbers(places, names)
    if not numbers:
        _check_placed(places, names, path)
        return list(places)
    if len(numbers) < len(places):
        strange = [shorten(names[place]) for place in places if place not in numbers]
        problem = f"the column {_list(strange, len(strange))} is neither {label_column or 'an index'} nor a pixel"
        raise UnreadableDataError(path, problem, remedy="Remove it: every other column must be a pixel.")
    if prefix == _PIXEL:
        _check_numbers(set(numbers.values()), path, names, n_pixels=n_pixels)
    return sorted(places, key=numbers.__getitem__)


def _find_numbers(places: Sequence[int], names: Sequence[str]) -> tuple[str, dict[int, int]]:
    """Return what stands before the number in most names, and the number at each place that has one after it.

    Nothing where fewer than half of the names are alike.
    """
    found = {place: match for place in places if (match := _NUMBERED.fullmatch(names[place]))}
    prefixes = Counter(match[1] for match in found.values())
    prefix = _PIXEL if prefixes[_PIXEL] else max(prefixes, key=prefixes.__getitem__, default="")
    if prefix != _PIXEL and 2 * prefixes[prefix] <= len(places):
        return prefix, {}
    return prefix, {place: int(match[2]) for place, match in found.items() if match[1] == prefix}


def _check_placed(places: Sequence[int], names: Sequence[str], path: Path) -> None:
    """Refuse names with a row and a column that stand neither row by row nor column by column."""
    found = [match for place in places if (match := _PLACED.fullmatch(names[place]))]
    if len(found) < len(places) or len({(match[1], match[3]) for match in found}) > 1:
        return
    numbers = [(int(match[2]), int(match[4])) for match in found]
    if numbers not in (sorted(numbers), sorted(numbers, key=lambda pair: pair[::-1])):
        problem = (
            f"the columns {_list([shorten(names[place]) for place in places], len(places), most=3)} are in no order"
        )
        raise UnreadableDataError(path, problem, remedy="Put the pixels in the order of the image, row by row.")


def _check_numbers(numbers: set[int], path: Path, names: Sequence[str], *, n_pixels: int | None) -> None:
    """Refuse numbers of pixels that do not run from 0 or 1 to their end."""
    counts_from_1 = 0 not in numbers and n_pixels in {None, max(numbers)}
    first = 1 if counts_from_1 else 0
    end = max(max(numbers) + 1, first + (n_pixels or 0))
    n_missing = end - first - len(numbers)
    if n_missing:
        some = islice((number for number in range(first, end) if number not in numbers), _MOST_NAMED)
        raise _missing_columns(path, [f"pixel{number}" for number in some], n_missing, names)


def _check_square(n_pixels: int, path: Path) -> None:
    if math.isqrt(n_pixels) ** 2 == n_pixels:
        return
    side = math.ceil(math.sqrt(n_pixels))
    problem = f"has {n_pixels} pixel columns, expected a square number such as {side**2} ({side} x {side} grey pixels)"
    colour_side = math.isqrt(n_pixels // 3)
    if 3 * colour_side**2 == n_pixels and colour_side > 1:
        problem += f"; {n_pixels} would be {colour_side} x {colour_side} in colour"
    remedy = "Store colour images, and those that are not square, in an .npz file or as PNG files in class folders."
    raise UnreadableDataError(path, problem, remedy=remedy)


def _missing_label(path: Path, label_column: str, names: Sequence[str]) -> UnreadableDataError:
    others = [name for name in names if not re.fullmatch(r"(pixel\d+|\d+x\d+|Unnamed: \d+)?", name)]
    found = f"; {shorten(others[0])} may be it" if len(others) == 1 and len(names) > 1 else ""
    listed = _list([shorten(name) for name in names], len(names), most=3)
    return UnreadableDataError(
        path,
        f"the column {label_column} is missing, found {listed}{found}",
        remedy=f"Name the column of the classes {label_column}. {_CLASS_FOLDERS}",
    )


def _missing_columns(path: Path, missing: Sequence[str], n_missing: int, names: Sequence[str]) -> UnreadableDataError:
    found = _list([shorten(name) for name in names], len(names), most=3)
    problem = f"the column {_list(missing, n_missing)} is missing, found {found}"
    return UnreadableDataError(path, problem, remedy=_REMEDY)


def _list(names: Sequence[str], n_all: int, *, most: int = _MOST_NAMED) -> str:
    return ", ".join(names[:most]) + (f" and {n_all - most} more" if n_all > most else "")
