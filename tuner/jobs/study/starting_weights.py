"""The weights that a study's models start from: a bundle's, those of a file, or those in Keras' cache folder.

A bundle or file that `weights_from` names is read once a process, and is the same for every trial. The body of a
pretrained net takes either of Keras' files as Keras itself loads it, all of it or nothing; any other model takes layers
by their names, as far as they agree.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras

from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError
from tuner.jobs.study.data import DataPlaces, DataUnavailableError, StudyData
from tuner.jobs.study.weights_file import FINALS_WEIGHTS_SHA256, OtherWeightsError, WeightsFile, read_weights
from tuner.spaces.applications import Application
from tuner.spaces.body import Body, body_model, body_of, load_body
from tuner.spaces.pretrained import RANDOM
from tuner.studies.definitions.making import absolute_place
from tuner.studies.finals_request import StartingWeights
from tuner.studies.lifecycle import Study
from tuner.studies.sections.finals import FinalsSection
from tuner.studies.sections.search import SearchSection
from tuner.training.initial_weights import InitialWeights
from tuner.training.variables import read_variable


class WeightsChangedError(DataUnavailableError):
    """The file is another one than when the study was created."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"The weights in {place} have changed since the study was told to start from them. Put the old file back, "
            "or create a new study."
        )


class MissingWeightsError(DataUnavailableError):
    """This machine does not have the weights of a net of keras.applications."""

    def __init__(self, missing: Sequence[Application]) -> None:
        files = ", ".join(str(application.weights_file) for application in missing)
        super().__init__(
            f"No weights for {', '.join(one.name for one in missing)} here, and none are downloaded. Expected {files}: "
            f"fetch with {' and '.join(f'`{one.fetching}`' for one in missing)}, or copy "
            f"{'it' if len(missing) == 1 else 'them'} there; or set search.weights_from to a file of yours, or "
            f'fixed.weights = "{RANDOM}".'
        )


class RandomBodyError(TunerError):
    """A net is to begin with new weights and with those of a file."""

    def __init__(self) -> None:
        super().__init__(
            f'Received weights_from together with weights = "{RANDOM}", which begins with new ones. Expected only one.'
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
    data = StudyData.of(study, places).load_for_search()
    found = absolute_place(place, folder=Path())
    sha256, _ = read_weights(found, data.train.image_format)
    return StartingWeights(place=found, freeze_epochs=freeze_epochs, hashes={FINALS_WEIGHTS_SHA256: sha256})


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedWeights:
    """What `weights_from` names."""

    weights: InitialWeights
    #: A file of Keras; None of a bundle.
    file: WeightsFile | None = None


def open_weights(
    section: SearchSection | FinalsSection, images: ImageFormat, *, sha256: str | None
) -> OpenedWeights | None:
    """Return the weights that `[search]` or `[finals]` names; None where it names none.

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
def _open(place: str, freeze_epochs: int, images: ImageFormat, sha256: str | None) -> OpenedWeights:
    try:
        found, weights = read_weights(place, images)
    except OtherWeightsError:
        raise
    except TunerError as error:
        raise DataUnavailableError(str(error)) from error
    if sha256 is not None and sha256 != found:
        raise WeightsChangedError(place)
    if isinstance(weights, WeightsFile):
        initial = InitialWeights(
            origin=place, paths=weights.paths, values=weights.arrays, by_layer_alone=True, freeze_epochs=freeze_epochs
        )
        return OpenedWeights(weights=initial, file=weights)
    source = weights.description.provenance
    initial = InitialWeights(
        origin=f"trial {source.trial} of study {source.study} ({place})",
        paths=weights.paths,
        values=weights.weights,
        image_range=weights.description.image_range,
        freeze_epochs=freeze_epochs,
    )
    return OpenedWeights(weights=initial)


def weights_for(model: keras.Model, opened: OpenedWeights | None) -> InitialWeights | None:
    """Return what one model starts from, given what its study names; None where it starts as it was built.

    The body of a pretrained net takes what the study names whole or, without it, its file in Keras' cache folder.

    Raises:
        MissingWeightsError: The study names nothing, and the file is not there.
        OtherBodyError: The file is of another net.
        RandomBodyError: The study names weights for a net that is to begin with new ones.
        WeightsFileError: The file does not name its layers, and the model is no pretrained net.
    """
    body = body_of(model)
    if body is None:
        if opened is not None and opened.file is not None and opened.file.problem is not None:
            raise opened.file.problem
        return None if opened is None else opened.weights
    if not body.is_pretrained:
        if opened is not None:
            raise RandomBodyError
        return None
    if opened is None:
        return _of_cache(model, body)
    if opened.file is None:
        paths = frozenset(weight.path for weight in body_model(model, body).weights)
        return replace(opened.weights, required=paths)
    return _load(model, body, opened.file.content, opened.weights)


def _of_cache(model: keras.Model, body: Body) -> InitialWeights:
    try:
        content = body.application.weights_file.read_bytes()
    except OSError as error:
        raise MissingWeightsError([body.application]) from error
    # The file is Keras' own, and no setting of the study: the note tells which one it was.
    origin = f"{body.application.weights_file} (SHA-256 {hashlib.sha256(content).hexdigest()[:16]}…)"
    return _load(model, body, content, InitialWeights(origin=origin, paths=(), values=()))


def _load(model: keras.Model, body: Body, content: bytes, initial: InitialWeights) -> InitialWeights:
    """Let Keras load a file into the model's body, and return what it has loaded."""
    with tempfile.TemporaryDirectory() as folder:
        # Keras tells its two formats apart by the name; only the older one names its layers.
        is_older = b"layer_names" in content
        file = Path(folder) / ("body.h5" if is_older else "body.weights.h5")
        file.write_bytes(content)
        loaded: list[Any] = load_body(model, body, file, place=initial.origin)
    return replace(
        initial,
        paths=tuple(weight.path for weight in loaded),
        values=tuple(read_variable(weight) for weight in loaded),
        by_layer_alone=False,
        required=frozenset(weight.path for weight in loaded),
    )
