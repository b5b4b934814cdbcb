"""The images that `tuner inspect` shows to a model. Imports no Keras."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuner.bundles.bundle import Bundle, BundleDescription
from tuner.bundles.ensemble import Ensemble, members_of
from tuner.bundles.picture_files import read_pictures
from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import LabelledImages
from tuner.datasets.reading import NOT_KEPT, DecodedPictures, ReadingSettings
from tuner.errors import TunerError


class OtherImagesError(TunerError):
    """A dataset's images have another format than the model's."""

    def __init__(self, dataset: str, *, received: str, expected: str) -> None:
        super().__init__(f"{dataset} holds {received}, and the model takes {expected}. Choose a dataset like its own.")


def choose_member(model: Bundle | Ensemble) -> tuple[Bundle, str | None]:
    """Return the bundle whose layers are shown, and a sentence that says so where others vote with it."""
    members = members_of(model)
    first = members[0].description.provenance
    if len(members) == 1:
        return members[0], None
    return members[0], (
        f"An ensemble of {len(members)} models: shown is the first, trial {first.trial} of {first.study} with seed "
        f"{first.seed}. Give the bundle of another member to look into that one."
    )


def read_files(description: BundleDescription, paths: Sequence[Path]) -> tuple[list[str], NDArray[np.uint8]]:
    """Return the names of picture files, each once, and what the model would see of them.

    Raises:
        ImagesUnreadableError: At least one file is missing or not a picture.
    """
    images = read_pictures(paths, description)
    named = Counter(path.name for path in paths)
    names = [path.name if named[path.name] == 1 else str(path) for path in paths]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, start=1)]
    return names, images


def take_training_images(
    description: BundleDescription, dataset: str, *, data_dir: Path, n_most: int, decoded: DecodedPictures = NOT_KEPT
) -> tuple[list[str], NDArray[np.uint8]]:
    """Return the first training image of each class, with names that say the class; the test set stays closed.

    Args:
        description: The model's; images are read as it takes them.
        dataset: Name or path.
        data_dir: Holds one folder for each dataset of the catalogue.
        n_most: Images to return at most.
        decoded: Where decoded pictures are kept.

    Raises:
        OtherImagesError: The images have other channels or classes.
        TunerError: They cannot be read.
    """
    wanted = description.images
    pixels = description.pixels
    reading = ReadingSettings(
        resize=(wanted.height, wanted.width),
        resize_how="stretch" if pixels is None else pixels.resize_how,
        decoded=decoded,
    )
    opened = open_dataset(dataset, data_dir=data_dir, reading=reading, pixels=pixels)
    images = opened.load_train()
    if images.image_format != wanted:
        received, expected = (
            _describe(images.image_format.channels, images.class_names),
            _describe(wanted.channels, wanted.class_names),
        )
        raise OtherImagesError(dataset, received=received, expected=expected)
    chosen = first_of_each_class(images)[:n_most]
    names = [f"training image {index + 1}, class {images.class_names[images.labels[index]]}" for index in chosen]
    return names, images.images[chosen]


def first_of_each_class(images: LabelledImages) -> NDArray[np.intp]:
    """Return the index of the first image of each class that has one, in the order of the classes."""
    _, firsts = np.unique(images.labels, return_index=True)
    return np.asarray(firsts, np.intp)


def _describe(channels: int, class_names: Sequence[str]) -> str:
    shown = ", ".join(class_names[:10]) + (", …" if len(class_names) > 10 else "")  # noqa: PLR2004 - as many as fit a line
    return f"{'grey' if channels == 1 else 'RGB'} images of {len(class_names)} classes ({shown})"
