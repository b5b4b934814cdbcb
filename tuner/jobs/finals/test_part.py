"""Open a study's test images and compare their classes with those of training. Imports no Keras."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tuner.datasets.images import LabelledImages
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.reading import NOT_KEPT, DecodedPictures
from tuner.datasets.test_set import load_test_set
from tuner.errors import TunerError, shorten
from tuner.studies.definitions.definition import StudyDefinition

#: Longest list of class names in an error, in characters.
_LONGEST_LIST = 300


class OtherClassesError(TunerError):
    """The test images have other classes than the training images."""

    def __init__(self, dataset: str, *, received: Sequence[str], expected: Sequence[str]) -> None:
        tested, trained = (shorten(", ".join(names), width=_LONGEST_LIST) for names in (received, expected))
        super().__init__(f"The test set of {dataset!r} has the classes {tested}; training had {trained}.")


def open_test_set(
    definition: StudyDefinition,
    *,
    class_names: Sequence[str],
    data_dir: Path,
    pixels: PixelMeaning | PixelSettings,
    decoded: DecodedPictures = NOT_KEPT,
) -> LabelledImages:
    """Return the test images of a study, read in the same way as its training images.

    Raises:
        TunerError: They cannot be read, or have another format or other classes than the training images.
    """
    reading = replace(definition.data.reading, decoded=decoded)
    test = load_test_set(definition.dataset, data_dir=data_dir, reading=reading, pixels=pixels)
    if test.class_names != tuple(class_names):
        raise OtherClassesError(definition.dataset, received=test.class_names, expected=class_names)
    return test


def check_test_set(
    definition: StudyDefinition,
    *,
    class_names: Sequence[str],
    data_dir: Path,
    pixels: PixelMeaning | PixelSettings,
    decoded: DecodedPictures = NOT_KEPT,
) -> None:
    """Read the test images once, to find out whether finals will be able to, and keep nothing of them.

    Raises:
        TunerError: As in `open_test_set`.
    """
    open_test_set(definition, class_names=class_names, data_dir=data_dir, pixels=pixels, decoded=decoded)
