"""People's own files, recognised by what lies at a path.

A new format is one module that ends with its `FileFormat`, and one line here: errors and help name it then.
"""

from collections.abc import Sequence
from pathlib import Path

from tuner.datasets.formats.class_folders import CLASS_FOLDERS
from tuner.datasets.formats.csv_file import CSV
from tuner.datasets.formats.idx import IDX
from tuner.datasets.formats.npz import NPZ
from tuner.datasets.formats.unrecognised import UnrecognisedDataError
from tuner.datasets.left_out import is_hidden
from tuner.datasets.reading import (
    AS_STORED,
    FileFormat,
    Reader,
    ReadingSettings,
    UnreadableDataError,
    is_pipe_or_device,
    listing,
)

#: Asked in this order.
FILE_FORMATS: tuple[FileFormat, ...] = (NPZ, CSV, IDX, CLASS_FOLDERS)
#: Endings of the files that are read, in lower case.
SUFFIXES = tuple(suffix for file_format in FILE_FORMATS for suffix in file_format.suffixes)

#: How many files and folders of a folder are tried, to point at one of them.
_MOST_LOOKED_AT = 50


@listing()
def open_reader(path: Path, reading: ReadingSettings) -> Reader:
    """Return a reader of the files at a path, which are not opened yet.

    Raises:
        UnrecognisedDataError: They are of no known kind.
        UnreadableDataError: The path is a pipe or a device, or permissions forbid to look at it.
    """
    if is_pipe_or_device(path):
        raise UnreadableDataError(path, "is a pipe or a device, expected a file or folder", remedy="Check the path.")
    reader = _recognise(path, reading)
    if reader is not None:
        return reader
    expected = [description for file_format in FILE_FORMATS for description in file_format.descriptions]
    raise UnrecognisedDataError(path, expected=_join(expected), below=_find_readable_below(path))


def list_file_formats() -> str:
    """Return what a path of a person's own data may be, as help says it: `an .npz file, … or …`."""
    return _join([file_format.name for file_format in FILE_FORMATS])


def _join(phrases: Sequence[str]) -> str:
    return f"{', '.join(phrases[:-1])} or {phrases[-1]}"


def _recognise(path: Path, reading: ReadingSettings) -> Reader | None:
    readers = (file_format.recognise(path, reading) for file_format in FILE_FORMATS)
    return next((reader for reader in readers if reader is not None), None)


def _find_readable_below(path: Path) -> list[Path]:
    """Return what a folder holds that can be read by itself, also a folder within a folder of the same name."""
    if not path.is_dir():
        return []
    inside = sorted(path.iterdir())[:_MOST_LOOKED_AT]
    doubled = [child / child.name for child in inside if child.is_dir()]
    return [child for child in (*inside, *doubled) if not is_hidden(child) and _can_be_read(child)]


def _can_be_read(path: Path) -> bool:
    try:
        return _recognise(path, AS_STORED) is not None
    except (OSError, UnreadableDataError):  # without permission, or ambiguous
        return False
