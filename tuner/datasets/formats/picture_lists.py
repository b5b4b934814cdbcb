"""The pictures of one part with their classes and groups: from class folders, or from a table that names them.

A table names a picture by its path from the table's folder. Where that is no file, the picture's name alone is looked
for in all sub-folders, and the ending may be left out; a name that fits several files is an error.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.formats.csv_file import read_labels
from tuner.datasets.formats.folder_parts import Parts, class_of, find_pictures, holds_classes, is_part_name, is_picture
from tuner.datasets.formats.labels import normalise_text
from tuner.datasets.formats.picture_splits import SPLIT_COLUMN, PartName, describe_unlabelled, divide_rows, may_divide
from tuner.datasets.formats.picture_table import (
    ADD_NAMES,
    FILE_COLUMNS,
    ID_COLUMNS,
    LABEL_COLUMNS,
    PictureTable,
    find_table,
    read_picture_table,
)
from tuner.datasets.left_out import is_hidden
from tuner.datasets.pictures.file import PICTURE_KINDS, PICTURE_SUFFIXES
from tuner.datasets.reading import UnreadableDataError, join_groups, listing
from tuner.errors import did_you_mean, shorten


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureList:
    """The pictures of one part, in an order that every machine has."""

    paths: Sequence[Path]
    #: Shape (n,): the class of each.
    labels: NDArray[np.str_]
    #: Shape (n,): the group of each; None where there are none.
    groups: NDArray[np.str_] | None = None
    #: Which table and columns it is from: a sentence, or nothing for class folders.
    origin: tuple[str, ...] = ()
    #: What else a person should know of the list: sentences.
    remarks: tuple[str, ...] = ()


def join_lists(train: PictureList, validation: PictureList) -> PictureList:
    """Return the pictures of both parts, one after the other."""
    return PictureList(
        paths=[*train.paths, *validation.paths],
        labels=np.concatenate([train.labels, validation.labels]),
        groups=join_groups(train.groups, validation.groups, n_validation=len(validation.paths)),
        origin=train.origin,
        remarks=(*train.remarks, *validation.remarks),
    )


@listing()
def list_pictures(
    part: Path,
    *,
    group: str | None,
    needs_groups: bool = True,
    others: Sequence[Path] = (),
    split: PartName | None = None,
) -> PictureList:
    """Return the pictures of a part.

    Args:
        part: Its folder.
        group: The column of a table that says the group of each picture; None: there are no groups.
        needs_groups: Whether a table without that column is an error; otherwise the part has no groups.
        others: Folders of other parts, whose pictures are not of this one.
        split: The part, where one table names the pictures of all; None: it names those of this one alone.

    Raises:
        UnreadableDataError: The table cannot be read, names files that are not there, or lacks a column or a label.
    """
    path = find_table(part)
    table = None if path is None else read_picture_table(path)
    found = [] if table is None else sorted(_walk(part, others))
    index = _Index(found)
    file_column = None if table is None else _find_file_column(table, index)
    if table is None or file_column is None:
        if table is not None and not holds_classes(part):
            problem = f"has no column of file names; its columns are {', '.join(list(table.columns)[:8])}"
            raise UnreadableDataError(table.path, problem, remedy=f"Call it {FILE_COLUMNS[0]}. {ADD_NAMES}")
        paths = find_pictures(part)
        unread = (f"{table.path} has no column {FILE_COLUMNS[0]} and is not read.",) if table is not None else ()
        return PictureList(paths=paths, labels=np.array([class_of(path) for path in paths]), remarks=unread)
    _refuse_column_of_parts(table)
    paths = _resolve(table, file_column, index, part)
    n_others, told = len(found) - len(paths), []
    if n_others:
        verb = "picture below its folder is" if n_others == 1 else "pictures below its folder are"
        told.append(f"{n_others:,} {verb} not named in {table.path} and left out.")
    if split is not None:
        relative = [path.relative_to(part).as_posix() for path in paths]
        divided = divide_rows(table, relative)
        if split == "train" and (remark := describe_unlabelled(table, divided, relative)):
            told.append(remark)
        rows = divided[split]
        table, paths = table.take(rows), [paths[row] for row in rows]
    named = _read_named(part, table, paths, group=group, needs_groups=needs_groups)
    origin = f"{table.path} names the pictures in the column {file_column}; {named.origin[0]}"
    return replace(named, origin=(origin,), remarks=tuple(told if split in {None, "train"} else ()))


def find_parts_of_table(folder: Path) -> Parts | None:
    """Return the parts of a folder whose table names the pictures of several; None where it has no such table.

    The column `split` says the part of each picture, or the folder that the picture is in.

    Raises:
        UnreadableDataError: The table cannot be read, names files that are not there, or names no training pictures.
    """
    path = find_table(folder)
    table = None if path is None else read_picture_table(path)
    if table is None or not may_divide(table, folder):
        return None
    index = _Index(sorted(_walk(folder, ())))
    file_column = _find_file_column(table, index)
    if file_column is None:
        return None
    paths = _resolve(table, file_column, index, folder)
    relative = [path.relative_to(folder).as_posix() for path in paths]
    divided = divide_rows(table, relative)
    if not divided["validation"] and not divided["test"]:
        return None
    is_tested = bool(divided["test"]) and describe_unlabelled(table, divided, relative) is None
    return Parts(
        train=folder,
        validation=folder if divided["validation"] else None,
        test=folder if is_tested else None,
        have_one_table=True,
    )


def _read_named(
    part: Path, table: PictureTable, paths: Sequence[Path], *, group: str | None, needs_groups: bool
) -> PictureList:
    """Return the pictures of a table's rows, of which each has its path."""
    label_column = table.find_label_column()
    if label_column is None and any(path.parent == part for path in paths):
        problem = f"has no column of classes; its columns are {', '.join(list(table.columns)[:8])}"
        raise UnreadableDataError(table.path, problem, remedy=f"Call it {LABEL_COLUMNS[0]}.")
    if label_column is None:
        labels = np.array([class_of(path) for path in paths])
    else:
        lines = np.array(table.line_numbers, np.int64)
        cells = np.array(table.columns[label_column], np.str_)
        labels = read_labels(cells, lines, table.path, column=label_column).astype(np.str_)
    classes = "the folders' names" if label_column is None else f"the column {label_column}"
    return PictureList(
        paths=paths,
        labels=labels,
        groups=None if group is None else _read_groups(table, group, needs_groups=needs_groups),
        origin=(f"their classes are {classes}.",),
    )


def _refuse_column_of_parts(table: PictureTable) -> None:
    """Refuse a column that says which pictures are for testing, and has a name under which it is not read."""
    for name, cells in table.columns.items():
        if name.lower() == SPLIT_COLUMN:
            continue
        parts = sorted({cell for cell in cells if cell})
        if len(parts) > 1 and all(map(is_part_name, parts)):
            problem = f"the column {shorten(name)} divides the pictures into {', '.join(map(shorten, parts))}"
            remedy = f"Call the column {SPLIT_COLUMN}, or leave it out."
            raise UnreadableDataError(table.path, problem, remedy=remedy)


def _read_groups(table: PictureTable, group: str, *, needs_groups: bool) -> NDArray[np.str_] | None:
    if group not in table.columns:
        if not needs_groups:
            return None
        problem = f"has no column {shorten(group)!r}; its columns are {', '.join(list(table.columns)[:8])}"
        guess = did_you_mean(group, table.columns)
        raise UnreadableDataError(table.path, problem, remedy=f"Correct data.group, or leave it out.{guess}")
    cells = table.columns[group]
    if "" in cells:
        line = table.line_numbers[list(cells).index("")]
        problem = f"line {line}, column {group}: received a blank, expected the picture's group"
        raise UnreadableDataError(table.path, problem, remedy="Name a group, also for a picture that is one alone.")
    return normalise_text(np.array(cells, np.str_))


def _walk(part: Path, others: Sequence[Path]) -> Iterator[str]:
    """Yield the paths of all pictures below a folder, from it, with slashes."""
    left_out = set(others)
    for parent, folders, names in os.walk(part):
        folders[:] = [name for name in folders if not is_hidden(Path(name)) and Path(parent, name) not in left_out]
        for name in names:
            if is_picture(Path(name)):
                yield Path(parent, name).relative_to(part).as_posix()


class _Index:
    """Finds pictures by what a table calls them."""

    def __init__(self, found: Sequence[str]) -> None:
        # By full path, path without ending, name, and name without ending.
        self._by: tuple[defaultdict[str, list[str]], ...] = tuple(defaultdict(list) for _ in range(4))
        for path in found:
            pure = PurePosixPath(unicodedata.normalize("NFC", path))
            for keys, key in zip(self._by, (pure, pure.with_suffix(""), pure.name, pure.stem), strict=True):
                keys[str(key)].append(path)

    def find(self, name: str) -> list[str]:
        """Return the paths that fit a name best: one, none, or several that fit it alike."""
        key = str(PurePosixPath(unicodedata.normalize("NFC", name.replace("\\", "/"))))
        has_ending = PurePosixPath(key).suffix.lower() in PICTURE_SUFFIXES
        for is_bare, keys in zip((False, True, False, True), self._by, strict=True):
            if not (is_bare and has_ending) and key in keys:
                # A competition's test pictures may have the names of training pictures.
                trained = [path for path in keys[key] if path.partition("/")[0].lower() != "test"]
                return trained or keys[key]
        return []


def _find_file_column(table: PictureTable, index: _Index) -> str | None:
    """Return the column with the files: one of a usual name, or one of ids that name one picture each."""
    ids = table.find_column(ID_COLUMNS)
    if (usual := table.find_column(FILE_COLUMNS)) or ids is None:
        return usual
    cells = [cell for cell in table.columns[ids] if cell]
    return ids if cells and all(len(index.find(cell)) == 1 for cell in cells) else None


def _resolve(table: PictureTable, file_column: str, index: _Index, part: Path) -> list[Path]:
    """Return the file of each row.

    Raises:
        UnreadableDataError: A row names none, or several, or one that another row names.
    """
    rows = list(zip(table.line_numbers, table.columns[file_column], strict=True))
    paths: list[Path] = []
    problems: list[str] = []
    line_of: dict[str, int] = {}
    for line, name in rows:
        found = index.find(name)
        if len(found) != 1:
            problems.append(f"line {line} {_tell_unfound(name, found, part)}")
            continue
        if found[0] in line_of:
            problems.append(f"line {line} names {shorten(name)}, as line {line_of[found[0]]} does")
            continue
        line_of[found[0]] = line
        paths.append(part / found[0])
    if problems:
        raise UnreadableDataError(table.path, *problems, remedy="Correct the table, or add the files.")
    return paths


def _tell_unfound(name: str, found: Sequence[str], part: Path) -> str:
    if not name:
        return "names no file"
    if found:
        return f"names {shorten(name)}, which may be {found[0]} or {found[1]}"
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        return f"names {shorten(name)}, expected a path below the table's folder"
    if (part / path).is_file():
        return f"names {shorten(name)}, which is no {PICTURE_KINDS} file"
    return f"names {shorten(name)}, which is not there"
