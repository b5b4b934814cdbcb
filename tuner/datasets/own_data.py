"""People's own files, recognised by what lies at a path. A new kind of file is one module, and one line here."""

from collections.abc import Callable
from pathlib import Path

from tuner.datasets import csv_file, idx, image_folder, npz
from tuner.datasets.reading import Reader, Size, UnreadableDataError, is_pipe_or_device, listing
from tuner.errors import TunerError

#: Asked in this order; each returns None when the path is not of its kind.
RECOGNISERS: tuple[Callable[[Path, Size | None], Reader | None], ...] = (
    npz.recognise,
    csv_file.recognise,
    idx.recognise,
    image_folder.recognise,
)


class UnrecognisedDataError(TunerError):
    """The path is there, and what it holds is nothing that can be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: no images that can be read, expected an .npz file with x_train and y_train, a CSV file with the "
            "columns label, pixel0, …, a folder with train.csv, with train-images-idx3-ubyte[.gz] and "
            "train-labels-idx1-ubyte[.gz], or with one sub-folder of PNG or JPEG files for each class."
        )


@listing()
def open_reader(path: Path, *, resize: Size | None) -> Reader:
    """Return a reader of the files at a path, which are not opened yet.

    Raises:
        UnrecognisedDataError: They are of no known kind.
        UnreadableDataError: The path is a pipe or a device, or may not be looked at.
    """
    if is_pipe_or_device(path):
        raise UnreadableDataError(path, "is a pipe or a device, expected a file or folder", remedy="Check the path.")
    for recognise in RECOGNISERS:
        reader = recognise(path, resize)
        if reader is not None:
            return reader
    raise UnrecognisedDataError(path)
