"""Picture files as a bundle's model takes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.bundles.bundle import BundleDescription
from tuner.datasets.pictures.file import PICTURE_KINDS
from tuner.datasets.pictures.predicted import read_image
from tuner.datasets.reading import UnreadableDataError
from tuner.errors import TunerError

#: Files that an error names.
_MAX_NAMED = 5


class ImagesUnreadableError(TunerError):
    """Some of the files are not pictures; nothing was predicted."""

    def __init__(self, problems: Mapping[str, str], readable: Sequence[str]) -> None:
        n_files = len(problems) + len(readable)
        fine = f" Readable: {_list_names(readable)}." if readable else ""
        super().__init__(
            f"{len(problems)} of {n_files} files could not be read: {list_problems(problems)}.{fine} Expected "
            f"{PICTURE_KINDS} pictures; leave the others out."
        )


def list_problems(problems: Mapping[str, str]) -> str:
    """Return the first files that could not be read with the reason of each, and how many more there are."""
    shown = "; ".join(f"{place} {reason}" for place, reason in list(problems.items())[:_MAX_NAMED])
    return shown + _count_rest(len(problems))


def read_pictures(paths: Sequence[Path], description: BundleDescription) -> NDArray[np.uint8]:
    """Return pictures of any size as the model takes them: uint8, shape (n, height, width, channels).

    Raises:
        ImagesUnreadableError: At least one file is missing or not a picture.
    """
    images: list[NDArray[np.uint8]] = []
    problems: dict[str, str] = {}
    for path in paths:
        read = try_to_read(path, description)
        if isinstance(read, str):
            problems[str(path)] = read
        else:
            images.append(read)
    if problems:
        raise ImagesUnreadableError(problems, [str(path) for path in paths if str(path) not in problems])
    return np.stack(images) if images else np.empty((0, *description.images.shape), np.uint8)


def try_to_read(path: Path, description: BundleDescription) -> NDArray[np.uint8] | str:
    """Return a picture as the model takes it, uint8, shape (height, width, channels), or why it cannot be read."""
    try:
        return read_image(path, image_format=description.images, pixels=description.pixels)
    except UnreadableDataError as error:
        return ", ".join(error.problems)


def _list_names(places: Sequence[str]) -> str:
    return ", ".join(places[:_MAX_NAMED]) + _count_rest(len(places))


def _count_rest(n_files: int) -> str:
    return f" and {n_files - _MAX_NAMED} more" if n_files > _MAX_NAMED else ""
