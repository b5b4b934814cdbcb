"""Classify picture files with a bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.bundles.bundle import Bundle
from tuner.bundles.ensemble import Ensemble, members_of, soft_vote
from tuner.bundles.picture_files import read_pictures
from tuner.datasets.sample_sheet import write_image_sheet
from tuner.training.predictions import predict_probabilities


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
    images = [read_pictures(paths, member.description) for member in members]
    if show is not None:
        write_image_sheet(images[0], show)
    probabilities = soft_vote(
        [predict_probabilities(member.build_model(), seen) for member, seen in zip(members, images, strict=True)]
    )
    class_names = members[0].description.images.class_names
    return [_prediction(path, class_names, row) for path, row in zip(paths, probabilities, strict=True)]


def _prediction(path: Path, class_names: tuple[str, ...], row: NDArray[np.float32]) -> Prediction:
    best = int(row.argmax())
    return Prediction(
        file=path,
        class_name=class_names[best],
        probability=float(row[best]),
        probabilities=dict(zip(class_names, row.tolist(), strict=True)),
    )
