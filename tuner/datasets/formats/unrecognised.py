"""The error for a path at which nothing can be read: what lies there by its names, and which path to give instead."""

from collections.abc import Sequence
from pathlib import Path

from tuner.datasets.formats.folder_parts import is_picture, suggest_table
from tuner.datasets.left_out import count_by_suffix, is_hidden
from tuner.errors import TunerError

_PACKED = frozenset({".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar"})
#: Of other libraries' files with arrays or tables.
_OF_LIBRARIES = frozenset({
    ".pkl", ".pickle", ".joblib", ".mat", ".h5", ".hdf5", ".parquet", ".arrow", ".feather", ".tfrecord", ".tfrecords",
    ".pt", ".pth", ".rec", ".lmdb", ".zarr", ".nii", ".dcm", ".xlsx", ".xls",
})  # fmt: skip
_MOST_NAMED = 3


class UnrecognisedDataError(TunerError):
    """The path exists, and nothing that it holds can be read."""

    def __init__(self, path: Path, *, expected: str, below: Sequence[Path]) -> None:
        text = f"{path}: no images that can be read, expected {expected}. "
        super().__init__((text + _describe(path, below)).rstrip())


def _describe(path: Path, below: Sequence[Path]) -> str:
    """Return a sentence about what lies there, or empty text."""
    if not path.is_dir():
        return _describe_file(path)
    inside = [child for child in sorted(path.iterdir()) if not is_hidden(child)]
    if parts := [child.name for child in inside if child.name != "train" and _is_training_part(child, below)]:
        return f"The folder {parts[0]} would be the training part if it were called train."
    if {child.name.lower() for child in below} & {"test", "testing"}:
        return "It has a test part; the training part beside it must be called train."
    if any("-idx3-ubyte" in child.name for child in inside):
        return "Its IDX files must be called train-images-idx3-ubyte[.gz] and train-labels-idx1-ubyte[.gz]."
    return _describe_readable(below) if below else _describe_contents(path, inside)


def _describe_readable(below: Sequence[Path]) -> str:
    if (deeper := _name_of_folder_within(below)) is not None:
        classes = ", ".join(child.name for child in below[:_MOST_NAMED])
        return (
            f"The pictures of {classes} lie in a folder {deeper} of each: move them up into the folders of the classes."
        )
    paths = " or ".join(str(child) for child in below[:_MOST_NAMED])
    return f"Give the path {paths}, which can be read by itself."


def _name_of_folder_within(classes: Sequence[Path]) -> str | None:
    """Return the name of the only folder within each of several folders of classes; None where it is not so."""
    within = {
        tuple(child.name for child in sorted(folder.iterdir()) if child.is_dir() and not is_hidden(child))
        for folder in classes
        if folder.is_dir()
    }
    return within.pop()[0] if len(classes) > 1 and len(within) == 1 and len(next(iter(within))) == 1 else None


def _describe_contents(path: Path, inside: Sequence[Path]) -> str:
    if n_pictures := sum(map(is_picture, inside)):
        return (
            f"It holds {n_pictures:,} pictures and no folders of classes: sort them into one for each class, or name "
            f"them with their classes in labels.csv.{suggest_table(path)}"
        )
    deeper = [child for folder in inside if folder.is_dir() for child in folder.iterdir() if child.is_file()]
    files = deeper or [child for child in inside if child.is_file()]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in count_by_suffix(files).most_common(_MOST_NAMED))
    return f"It holds {kinds}{' in sub-folders' if deeper else ''}." if files else ""


def _is_training_part(folder: Path, below: Sequence[Path]) -> bool:
    return folder.name.lower() in {"train", "training"} and folder in below


def _describe_file(path: Path) -> str:
    if path.suffix.lower() == ".npy":
        return "One array has no labels: write both into one archive by `numpy.savez(path, x_train=…, y_train=…)`."
    if path.suffix.lower() in _OF_LIBRARIES:
        return "Read it by its own library, and write the arrays by `numpy.savez(path, x_train=…, y_train=…)`."
    if path.suffix.lower() in {".tsv", ".tab"}:
        return "If it is a table of pixels, save it with commas between the columns, as a .csv file."
    if path.suffix.lower() in _PACKED and "ubyte" not in path.name:
        return "Unpack it first."
    if is_picture(path) or "ubyte" in path.name:
        return "Give the path of the folder that holds it and the others."
    return ""
