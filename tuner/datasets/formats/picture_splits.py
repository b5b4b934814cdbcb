"""One table for several parts: which of its rows are of the training part, the validation set and the test part."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from tuner.datasets.formats.picture_table import PictureTable
from tuner.datasets.left_out import VALIDATION_NAMES
from tuner.datasets.reading import UnreadableDataError
from tuner.errors import shorten

PartName = Literal["train", "validation", "test"]

#: The column that says the part of each picture, as Hugging Face's tables have it.
SPLIT_COLUMN = "split"
#: What it may say, and how folders are called, in lower case.
_SPLITS: Mapping[str, PartName] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    **dict.fromkeys(VALIDATION_NAMES, "validation"),
}


def may_divide(table: PictureTable, folder: Path) -> bool:
    """Say whether a table may name pictures of several parts: it has a column for that, or there is a folder train/."""
    return table.find_column((SPLIT_COLUMN,)) is not None or (folder / "train").is_dir()


def divide_rows(table: PictureTable, paths: Sequence[str]) -> dict[PartName, list[int]]:
    """Return the rows of each part, from 0.

    The column `split` says it; without one, the folders train/, validation/ and test/ do, and a table that names
    pictures of one of them alone, or of other folders, is of the training part.

    Args:
        table: The table.
        paths: The file of each row, from the table's folder, with slashes.

    Raises:
        UnreadableDataError: A row's split is none that is known, or no row is of the training part.
    """
    column = table.find_column((SPLIT_COLUMN,))
    if column is None:
        tops = [_SPLITS.get(path.partition("/")[0].lower()) if "/" in path else None for path in paths]
        splits: list[PartName] = [top or "train" for top in tops]
        if "train" not in tops:
            splits = ["train" for _ in tops]
    else:
        splits = _read_splits(table, column)
    divided: dict[PartName, list[int]] = {"train": [], "validation": [], "test": []}
    for row, split in enumerate(splits):
        divided[split].append(row)
    if not divided["train"]:
        problem = f"names no picture of the training part in its column {column}"
        raise UnreadableDataError(table.path, problem, remedy="Call that part train.")
    return divided


def _read_splits(table: PictureTable, column: str) -> list[PartName]:
    cells = table.columns[column]
    wrong = [
        f"line {line}, column {column}: received {shorten(cell) or 'a blank'}"
        for line, cell in zip(table.line_numbers, cells, strict=True)
        if cell.lower() not in _SPLITS
    ]
    if wrong:
        raise UnreadableDataError(table.path, *wrong, remedy="Expected train, validation or test.")
    return [_SPLITS[cell.lower()] for cell in cells]


def describe_unlabelled(
    table: PictureTable, divided: Mapping[PartName, Sequence[int]], paths: Sequence[str]
) -> str | None:
    """Return a sentence on a test part of which no picture has a class; None where one has, or there is none.

    Args:
        table: The table.
        divided: The rows of each part.
        paths: As in `divide_rows`: without a column of classes, folders tell them.
    """
    column, rows = table.find_label_column(), divided["test"]
    if not rows:
        return None
    classes = table.columns[column] if column is not None else [PurePosixPath(path).parent.name for path in paths]
    known = {classes[row] for row in divided["train"]}
    if any(classes[row] and (column is not None or classes[row] in known) for row in rows):
        return None
    return (
        f"{len(rows):,} pictures of the test part have no class in {table.path} and are left out: `tuner predict` and "
        "`tuner submit` classify them."
    )
