"""People's own files, recognised by what lies at a path. A new kind of file is one module, and one line here."""

from collections.abc import Callable
from pathlib import Path

from tuner.datasets import csv_file, idx, image_folder, npz
from tuner.datasets.left_out import is_hidden
from tuner.datasets.reading import Reader, Size, UnreadableDataError, is_pipe_or_device, listing
from tuner.datasets.unrecognised import UnrecognisedDataError

#: Asked in this order; each returns None when the path is not of its kind.
RECOGNISERS: tuple[Callable[[Path, Size | None], Reader | None], ...] = (
    npz.recognise,
    csv_file.recognise,
    idx.recognise,
    image_folder.recognise,
)


#: Files and folders of a folder that are tried, to point at one of them.
_MOST_LOOKED_AT = 50


@listing()
def open_reader(path: Path, *, resize: Size | None) -> Reader:
    """Return a reader of the files at a path, which are not opened yet.

    Raises:
        UnrecognisedDataError: They are of no known kind.
        UnreadableDataError: The path is a pipe or a device, or may not be looked at.
    """
    if is_pipe_or_device(path):
        raise UnreadableDataError(path, "is a pipe or a device, expected a file or folder", remedy="Check the path.")
    reader = _recognise(path, resize)
    if reader is not None:
        return reader
    raise UnrecognisedDataError(path, below=_find_readable_below(path))


def _recognise(path: Path, resize: Size | None) -> Reader | None:
    return next((reader for recognise in RECOGNISERS if (reader := recognise(path, resize)) is not None), None)


def _find_readable_below(path: Path) -> list[Path]:
    """Return what lies in a folder and can be read by itself; of a folder within one of its name the inner one."""
    if not path.is_dir():
        return []
    inside = sorted(path.iterdir())[:_MOST_LOOKED_AT]
    doubled = [child / child.name for child in inside if child.is_dir()]
    return [child for child in (*inside, *doubled) if not is_hidden(child) and _can_be_read(child)]


def _can_be_read(path: Path) -> bool:
    try:
        return _recognise(path, None) is not None
    except (OSError, UnreadableDataError):  # it may not be looked at, or it is not clear what it is
        return False
