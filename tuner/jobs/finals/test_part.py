"""Open a study's test images and compare their classes with those of training. Imports no Keras."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tuner.datasets.images import LabelledImages
from tuner.datasets.pixels.decision import PixelSettings
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.datasets.reading import NOT_KEPT, DecodedPictures
from tuner.datasets.test_set import load_test_set
from tuner.errors import TunerError, shorten
from tuner.jobs.study.data import TEST_SHA256, ChangedTestPartError
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.lifecycle import Study, StudyNotFoundError
from tuner.studies.provenance import record_once

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
    sha256: str | None,
    decoded: DecodedPictures = NOT_KEPT,
) -> LabelledImages:
    """Return the test images of a study, read in the same way as its training images.

    Args:
        definition: The study's.
        class_names: Of its training images.
        data_dir: See `DataPlaces`.
        pixels: The meaning of its training images' pixels.
        sha256: The content hash of the test images that the study has recorded; None where it has none.
        decoded: Where decoded pictures are kept.

    Raises:
        ChangedTestPartError: Their hash is another.
        TunerError: They cannot be read, or have another format or other classes than the training images.
    """
    reading = replace(definition.data.reading, decoded=decoded)
    test = load_test_set(definition.dataset, data_dir=data_dir, reading=reading, pixels=pixels)
    if test.class_names != tuple(class_names):
        raise OtherClassesError(definition.dataset, received=test.class_names, expected=class_names)
    if sha256 is not None and test.content_hash() != sha256:
        raise ChangedTestPartError(definition.dataset)
    return test


def hold_to_recorded(storage: Storage, study: Study, test: LabelledImages) -> None:
    """Refuse test images that are not those which the study has recorded; where it has none, record these.

    Raises:
        ChangedTestPartError: They are others.
    """
    found = test.content_hash()
    # The slots of a study that was deleted meanwhile are gone with it: their outcomes are not stored.
    with suppress(StudyNotFoundError):
        if record_once(storage, study, key=TEST_SHA256, value=found) != found:
            raise ChangedTestPartError(study.definition.dataset)


def check_test_set(
    definition: StudyDefinition,
    *,
    class_names: Sequence[str],
    data_dir: Path,
    pixels: PixelMeaning | PixelSettings,
    decoded: DecodedPictures = NOT_KEPT,
) -> str:
    """Read the test images once, to find out whether finals will be able to, and return their content hash alone.

    Raises:
        TunerError: As in `open_test_set`.
    """
    test = open_test_set(
        definition, class_names=class_names, data_dir=data_dir, pixels=pixels, sha256=None, decoded=decoded
    )
    return test.content_hash()
