"""Classify picture files with a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.bundles.bundle import Bundle, BundleDescription
from tuner.bundles.ensemble import Ensemble, members_of, soft_vote
from tuner.datasets.predicted_picture import read_image
from tuner.datasets.reading import UnreadableDataError
from tuner.datasets.sample_sheet import write_image_sheet
from tuner.errors import TunerError
from tuner.training.predictions import predict_probabilities

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


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The model's prediction for one file."""

    file: Path
    #: The most probable class.
    class_name: str
    #: Of that class, in [0, 1].
    probability: float
    #: Of every class by name, in the model's order.
    probabilities: Mapping[str, float]


def predict_files(bundle: Bundle | Ensemble, paths: Sequence[Path], *, show: Path | None = None) -> list[Prediction]:
    """Classify pictures of any size; all are read before the first is classified.

    Args:
        bundle: The model; of an ensemble each member sees the pictures in its own format.
        paths: The pictures.
        show: A PNG to write with every picture as the model sees it, an ensemble's first member.

    Raises:
        ImagesUnreadableError: At least one file is missing or not a picture.
        BundleMismatchError: The bundle's model cannot be rebuilt with this code.
        SheetNotWrittenError: The PNG cannot be written.
    """
    members = members_of(bundle)
    images = [_read_images(paths, member.description) for member in members]
    if show is not None:
        write_image_sheet(images[0], show)
    probabilities = soft_vote(
        [predict_probabilities(member.build_model(), seen) for member, seen in zip(members, images, strict=True)]
    )
    class_names = members[0].description.images.class_names
    return [_prediction(path, class_names, row) for path, row in zip(paths, probabilities, strict=True)]


def _read_images(paths: Sequence[Path], description: BundleDescription) -> NDArray[np.uint8]:
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


def _prediction(path: Path, class_names: tuple[str, ...], row: NDArray[np.float32]) -> Prediction:
    best = int(row.argmax())
    return Prediction(
        file=path,
        class_name=class_names[best],
        probability=float(row[best]),
        probabilities=dict(zip(class_names, row.tolist(), strict=True)),
    )


def _list_names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:_MAX_NAMED])) + _count_rest(len(paths))


def _count_rest(n_files: int) -> str:
    return f" and {n_files - _MAX_NAMED} more" if n_files > _MAX_NAMED else ""
