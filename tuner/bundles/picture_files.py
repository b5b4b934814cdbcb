"""Picture files as a bundle's model takes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.bundles.bundle import BundleDescription
from tuner.datasets.predicted_picture import read_image
from tuner.datasets.reading import UnreadableDataError
from tuner.errors import TunerError

#: Files that an error names.
_MAX_NAMED = 5


class ImagesUnreadableError(TunerError):
    """Some of the files are not pictures; nothing was predicted."""

    def __init__(self, problems: Mapping[Path, str], readable: Sequence[Path]) -> None:
        n_files = len(problems) + len(readable)
        reasons = "; ".join(f"{path} {reason}" for path, reason in list(problems.items())[:_MAX_NAMED])
        fine = f" Readable: {_list_names(readable)}." if readable else ""
        super().__init__(
            f"{len(problems)} of {n_files} files could not be read: {reasons}"
            f"{_count_rest(len(problems))}.{fine} Expected PNG or JPEG pictures; leave the others out."
        )


def read_pictures(paths: Sequence[Path], description: BundleDescription) -> NDArray[np.uint8]:
    """Return pictures of any size as the model takes them: uint8, shape (n, height, width, channels).

    Raises:
        ImagesUnreadableError: At least one file is missing or not a picture.
    """
    images: list[NDArray[np.uint8]] = []
    problems: dict[Path, str] = {}
    for path in paths:
        try:
            images.append(read_image(path, image_format=description.images, pixels=description.pixels))
        except UnreadableDataError as error:
            problems[path] = ", ".join(error.problems)
    if problems:
        raise ImagesUnreadableError(problems, [path for path in paths if path not in problems])
    return np.stack(images) if images else np.empty((0, *description.images.shape), np.uint8)


def _list_names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:_MAX_NAMED])) + _count_rest(len(paths))


def _count_rest(n_files: int) -> str:
    return f" and {n_files - _MAX_NAMED} more" if n_files > _MAX_NAMED else ""
