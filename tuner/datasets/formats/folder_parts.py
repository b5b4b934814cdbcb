"""Which sub-folders are classes, which are the training and the test part, and which of their files are not read."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.datasets.formats.picture_table import find_table, read_classes
from tuner.datasets.left_out import VALIDATION_NAMES, VALIDATION_PARTS, LeftOut, count_by_suffix, count_files, is_hidden
from tuner.datasets.pictures.file import PICTURE_SUFFIXES
from tuner.datasets.reading import UnreadableDataError, listing

#: Names that are more often those of a part than of a class.
PART_NAMES = VALIDATION_NAMES | {"train", "test"}
#: Folders of these names are parts of a dataset where no other folder is beside them.
_PARTS_ALONE = PART_NAMES | {"training", "testing"}
#: Files beside the folders of many datasets that are no images.
_TEXTS = frozenset({"", ".md", ".txt", ".rst", ".pdf", ".html", ".json", ".toml", ".yaml", ".yml"})
_SORT_INTO = "Expected one sub-folder of pictures for each class, or these in train/ and test/."
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The folders in which the class folders are."""

    train: Path
    #: None: validation images are drawn from the training part.
    validation: Path | None
    #: None: a fifth of the training part is held out.
    test: Path | None
    #: Whether all of them are the same folder, with one table that says the part of each picture.
    have_one_table: bool = False


@listing()
def find_parts(folder: Path) -> Parts:
    """Return the parts, judged by names alone.

    `train` is a part when it holds class folders, and a class when it holds pictures and has other classes beside it.

    Raises:
        UnreadableDataError: `train` could be either, `test` holds no pictures, or there are two validation sets.
    """
    train, test = folder / "train", folder / "test"
    # A table beside class folders of `train` is of something else.
    has_table = find_table(folder) is not None and not holds_classes(train)
    if not train.is_dir() or not (_holds_table(train) or (not has_table and _is_part(train))):
        if not has_table:
            _refuse_parts_alone(folder)
            return Parts(train=folder, validation=None, test=None)
        # Of a table, the other parts are folders with a table of their own.
        validation = _find_validation(folder, is_part=_holds_table)
        is_part = _holds_table(test) and not _has_no_labels(test, trained=folder)
        return Parts(train=folder, validation=validation, test=test if is_part else None)
    validation = _find_validation(folder, is_part=lambda path: _holds_table(path) or holds_classes(path))
    if not test.is_dir() or _has_no_labels(test, trained=train):
        return Parts(train=train, validation=validation, test=None)
    if not holds_classes(test) and not _holds_table(test):
        raise UnreadableDataError(
            test,
            "no class folders with pictures",
            remedy="Put the test pictures in it, or remove the folder: then a fifth of every class is held out.",
        )
    return Parts(train=train, validation=validation, test=test)


def _refuse_parts_alone(folder: Path) -> None:
    """Refuse pictures of which only the part is known: the parts would be taken for classes."""
    names = [path.name for path in _class_folders(folder) if _holds_pictures(path)]
    if names and all(map(is_part_name, names)):
        problem = f"{_list(names)} hold{'s' * (len(names) == 1)} pictures and no class folders"
        raise UnreadableDataError(
            folder, problem, remedy=f"{_SORT_INTO} If these are classes, rename them.{suggest_table(folder)}"
        )


def suggest_table(folder: Path) -> str:
    """Return how a table in a folder, such as Kaggle's `train.csv`, would be read, after a blank; else empty text."""
    tables = [path.name for path in folder.glob("*.csv") if re.search("train|label", path.name.lower())]
    return f" If {tables[0]} names the pictures with their classes, call it labels.csv." if len(tables) == 1 else ""


def is_part_name(name: str) -> bool:
    """Say whether a name, such as `Training-Set`, is more often that of a part than of a class."""
    return re.sub("[ _-]?set$", "", name.lower()) in _PARTS_ALONE


def _has_no_labels(test: Path, *, trained: Path) -> bool:
    """Say whether nothing tells the classes of the pictures of `test`, as for a competition's."""
    classes = read_classes(trained)
    if _holds_table(test):
        # Where a column tells the classes of the training part, folders are no classes.
        return not read_classes(test) and (bool(classes) or not holds_classes(test))
    if classes and holds_classes(test):
        return not any(class_of_folder(path) in classes for path in _class_folders(test))
    return _holds_pictures(test) and not holds_classes(test)


def _find_validation(folder: Path, *, is_part: Callable[[Path], bool]) -> Path | None:
    found = sorted(
        path for path in folder.iterdir() if path.name.lower() in VALIDATION_PARTS and path.is_dir() and is_part(path)
    )
    if len(found) > 1:
        problem = f"holds several validation sets, {_list([f'{path.name}/' for path in found])}, expected one"
        raise UnreadableDataError(folder, problem, remedy="Rename or remove all but one.")
    return found[0] if found else None


def _holds_table(folder: Path) -> bool:
    return folder.is_dir() and find_table(folder) is not None


@listing()
def holds_pictures_of_classes(folder: Path) -> bool:
    """Say whether pictures lie two levels down, or three where it has a part `train`, or a table names them."""
    parts = (folder, folder / "train")
    return any(holds_classes(part) or _holds_table(part) for part in parts)


@listing()
def find_pictures(part: Path) -> list[Path]:
    """Return the pictures of all class folders, sorted, so that every machine numbers them alike.

    Raises:
        UnreadableDataError: A class has no pictures, or a name that is no text.
    """
    classes = _class_folders(part)
    _check_names(part, classes)
    pictures = [path for folder in classes for path in sorted(folder.iterdir()) if is_picture(path)]
    if not classes:
        raise UnreadableDataError(part, "no class folders", remedy=_SORT_INTO)
    empty = sorted({path.name for path in classes} - {path.parent.name for path in pictures})
    if deep := [name for name in empty if holds_classes(part / name)]:
        raise UnreadableDataError(
            part,
            f"the pictures of {_list(deep)} lie in sub-folders, expected them in the class folder itself",
            remedy="Move them up; parts of a dataset are called train/ and test/ and stand side by side.",
        )
    if empty:
        others = count_by_suffix(path for path in (part / empty[0]).iterdir() if path.is_file() and not is_hidden(path))
        found = f", which holds {', '.join(f'{count} {kind}' for kind, count in others.items())}" if others else ""
        problem = f"no pictures for the class {_list(empty)}{found if len(empty) == 1 else ''}"
        raise UnreadableDataError(part, problem, remedy="Put pictures in it, or remove the folder.")
    return pictures


def class_of(picture: Path) -> str:
    """Return the class of a picture: the name of its folder in one spelling, whichever system wrote it (NFC)."""
    return class_of_folder(picture.parent)


def class_of_folder(folder: Path) -> str:
    """Return the class that a folder is named after, in one spelling."""
    return unicodedata.normalize("NFC", folder.name)


def is_picture(path: Path) -> bool:
    """Say whether a file is a picture by its name."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not is_hidden(path)


@listing()
def count_left_out(folder: Path, parts: Parts) -> LeftOut:
    """Count the files of a folder that are not read."""
    counts = _count_in_part(parts.train)
    for part in filter(None, (parts.validation, parts.test)):
        counts.update({f"{kind} of {part.name}/": count for kind, count in _count_in_part(part).items()})
    has_validation_part = False
    if parts.train != folder:
        for path in sorted(folder.iterdir()):
            if is_hidden(path) or path in {parts.train, parts.validation, parts.test}:
                continue
            if path.is_dir():
                counts[f"in {path.name}/{_tell_why(path, parts)}"] += count_files(path)
                has_validation_part |= path.name.lower() in VALIDATION_NAMES
        counts += _count_beside(folder)
    return LeftOut(
        counts={_printable(kind): count for kind, count in (+counts).most_common()},
        has_validation_part=has_validation_part,
    )


def _tell_why(folder: Path, parts: Parts) -> str:
    """Return why a folder beside the training part is no other part, where a person may have meant it as one."""
    name = folder.name.lower()
    if folder.name == "test":
        return ", which has no labels: `tuner predict` and `tuner submit` classify them"
    if name in VALIDATION_PARTS:
        return ", which holds no class folders"
    if name in VALIDATION_NAMES and parts.validation is None and holds_classes(folder):
        return ", which would be the validation set if it were called validation"
    is_meant = parts.test is None and name in {"test", "testing"}
    return ", which would be the test part if it were called test" if is_meant else ""


def _is_part(train: Path) -> bool:
    pictures, classes = _holds_pictures(train), holds_classes(train)
    beside = [path for path in _class_folders(train.parent) if path != train and _holds_pictures(path)]
    others = [path.name for path in beside if path.name.lower() not in PART_NAMES]
    if classes and others and not pictures and not holds_classes(train.parent / "test"):
        raise UnreadableDataError(
            train.parent,
            f"train/ holds class folders, and {_list(others)} beside it hold{'s' * (len(others) == 1)} pictures: train "
            "may be the training part or a class",
            remedy=f"Give the path {train} for the first; for the second, move its pictures up into train/.",
        )
    if pictures and not classes and not others:
        remedy = _SORT_INTO + suggest_table(train.parent)
        if beside:
            names = _list([path.name for path in (*beside, train)])
            remedy += f" If {names} are classes, move them into another train/, as in {train / train.name}."
        raise UnreadableDataError(train, "holds pictures and no class folders", remedy=remedy)
    return not others or (classes and not pictures)


def _check_names(part: Path, classes: Sequence[Path]) -> None:
    broken = [path.name for path in classes if _printable(path.name) != path.name]
    if broken:
        raise UnreadableDataError(
            part,
            *(f"the name of the class folder {_printable(name)} is no UTF-8" for name in broken),
            remedy="Rename it: names of classes are stored and shown as text.",
        )
    spellings = Counter(unicodedata.normalize("NFC", path.name) for path in classes)
    if twice := [name for name, count in spellings.items() if count > 1]:
        problem = f"several class folders are called {_list(twice)}, each in another Unicode form"
        raise UnreadableDataError(part, problem, remedy="Move their pictures into one folder.")


def _count_in_part(part: Path) -> Counter[str]:
    if _holds_table(part):
        # What it does not name is counted when it is read.
        return Counter()
    counts = _count_beside(part)
    for folder in _class_folders(part):
        for path in sorted(folder.iterdir()):
            if is_hidden(path) or is_picture(path):
                continue
            if path.is_dir():
                counts["in sub-folders of a class"] += count_files(path)
            else:
                counts += count_by_suffix([path])
    return counts


def _count_beside(folder: Path) -> Counter[str]:
    """Count the files that lie beside class folders, except texts about the data."""
    seen = [path for path in folder.iterdir() if not is_hidden(path)]
    files = [path for path in seen if path.is_file()]
    n_broken_links = sum(path.is_symlink() and not path.exists() for path in seen)
    others = count_by_suffix(path for path in files if not is_picture(path) and path.suffix.lower() not in _TEXTS)
    beside = {"beside the class folders": sum(map(is_picture, files)), "links that lead nowhere": n_broken_links}
    return Counter(beside) + others


def _class_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path))


def _holds_pictures(folder: Path) -> bool:
    return any(is_picture(path) for path in folder.iterdir())


def holds_classes(folder: Path) -> bool:
    """Say whether pictures lie in sub-folders of a folder."""
    return folder.is_dir() and any(_holds_pictures(path) for path in _class_folders(folder))


def _printable(name: str) -> str:
    """Return a name in which each byte that is no UTF-8 is escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(_printable(name) for name in names[:_MOST_NAMED])
    return shown + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")
