"""The bundle whose weights a study's models start from: read once a process, and the same file for every trial."""

from functools import lru_cache
from pathlib import Path

from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError
from tuner.jobs.study_data import DataPlaces, DataUnavailableError, load_search_data
from tuner.jobs.weights_file import FINALS_WEIGHTS_SHA256, OtherWeightsError, WeightsFile, read_weights
from tuner.studies.definition import absolute_place
from tuner.studies.finals_request import StartingWeights
from tuner.studies.finals_section import FinalsSection
from tuner.studies.lifecycle import Study
from tuner.studies.sections import SearchSection
from tuner.training.initial_weights import InitialWeights


class WeightsChangedError(DataUnavailableError):
    """The file is another one than when the study was created."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"The weights in {place} have changed since the study was told to start from them. Put the old file back, "
            "or create a new study."
        )


def choose_weights(study: Study, place: str, *, freeze_epochs: int, places: DataPlaces) -> StartingWeights:
    """Return what `change_finals` needs to let a study's finals start from a bundle.

    Args:
        study: The study.
        place: A file, relative to the current folder, or a URL.
        freeze_epochs: As in `[finals]`.
        places: Where this machine has the study's images, with which the bundle's are compared.

    Raises:
        DataUnavailableError: This machine cannot read the study's images.
        NotABundleError: The file is not there, or no bundle.
        OtherWeightsError: Its model is for other images or another number of classes.
    """
    data = load_search_data(
        study.definition, data_sha256=study.provenance["data_sha256"], pixels=study.pixels, places=places
    )
    found = absolute_place(place, folder=Path())
    sha256, _ = read_weights(found, data.train.image_format)
    return StartingWeights(place=found, freeze_epochs=freeze_epochs, hashes={FINALS_WEIGHTS_SHA256: sha256})


def open_weights(
    section: SearchSection | FinalsSection, images: ImageFormat, *, sha256: str | None
) -> InitialWeights | None:
    """Return the weights that the models of `[search]` or `[finals]` start from; None where they start from new ones.

    Args:
        section: The study's.
        images: The study's.
        sha256: Of the file when the study was told to start from it; None where it was not recorded yet.

    Raises:
        DataUnavailableError: This machine cannot read the file, or it is another one.
        OtherWeightsError: As in `read_weights`.
    """
    if section.weights_from is None:
        return None
    return _open(section.weights_from, section.freeze_epochs, images, sha256)


@lru_cache(maxsize=2)
def _open(place: str, freeze_epochs: int, images: ImageFormat, sha256: str | None) -> InitialWeights:
    try:
        found, weights = read_weights(place, images)
    except OtherWeightsError:
        raise
    except TunerError as error:
        raise DataUnavailableError(str(error)) from error
    if sha256 is not None and sha256 != found:
        raise WeightsChangedError(place)
    if isinstance(weights, WeightsFile):
        return InitialWeights(
            origin=place, paths=weights.paths, values=weights.arrays, by_layer_alone=True, freeze_epochs=freeze_epochs
        )
    source = weights.description.provenance
    return InitialWeights(
        origin=f"trial {source.trial} of study {source.study} ({place})",
        paths=weights.paths,
        values=weights.weights,
        image_range=weights.description.image_range,
        freeze_epochs=freeze_epochs,
    )
