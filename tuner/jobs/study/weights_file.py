"""The bundle file whose weights a study's models start from: its hash, and whether it fits. Imports no Keras."""

import hashlib
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tuner.bundles.bundle import Bundle, parse_bundle
from tuner.bundles.bundle_places import NotABundleError, read_bundle_file
from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError

#: Keys of a study's provenance: the SHA-256 of the file that trials, and that finals, start from.
WEIGHTS_SHA256, FINALS_WEIGHTS_SHA256 = "weights_sha256", "finals_weights_sha256"


_HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightsFile:
    """A weights file of Keras, and the arrays in it, see `weights_h5`."""

    content: bytes
    paths: tuple[str, ...] = ()
    arrays: tuple[NDArray[Any], ...] = ()
    #: Why its layers have no names, by which a model could take them; the body of a pretrained net takes it as it is.
    problem: TunerError | None = None


class NoWeightsFileError(TunerError):
    """There is no such weights file."""

    def __init__(self, place: str, error: Exception) -> None:
        super().__init__(
            f"No weights could be read from {place}: {error.__cause__ or error}. Expected the path or URL of a weights "
            "file of Keras (.h5), or of a bundle."
        )


class OtherWeightsError(TunerError):
    """A bundle's model is for other images or another number of classes."""

    def __init__(self, place: str, received: ImageFormat, expected: ImageFormat) -> None:
        super().__init__(
            f"The weights in {place} are of a model for {_describe(received)}; this study has {_describe(expected)}. "
            "Expected a bundle of the same image size, channels and number of classes."
        )


def read_weights(place: str, images: ImageFormat) -> tuple[str, Bundle | WeightsFile]:
    """Return the SHA-256 of a file and the bundle or the weights in it, for a study of these images.

    A file without names of layers is returned with the problem that it has for all but pretrained nets.

    Raises:
        NotABundleError: The file is not there, or no bundle.
        NoWeightsFileError: It ends in `.h5`, and is not there.
        OtherWeightsError: The bundle's model is for other images or another number of classes.
    """
    if place.endswith(_HDF5):
        try:
            content = read_bundle_file(place, artifacts=None)
        except NotABundleError as error:
            raise NoWeightsFileError(place, error) from error
        return hashlib.sha256(content).hexdigest(), _read_h5(content, place)
    content = read_bundle_file(place, artifacts=None)
    bundle = parse_bundle(content, origin=place)
    of_bundle = bundle.description.images
    if of_bundle.shape != images.shape or of_bundle.n_classes != images.n_classes:
        raise OtherWeightsError(place, of_bundle, images)
    return hashlib.sha256(content).hexdigest(), bundle


def _read_h5(content: bytes, place: str) -> WeightsFile:
    from tuner.training.weights_h5 import WeightsFileError, read_weights_h5

    try:
        paths, arrays = read_weights_h5(content, origin=place)
    except WeightsFileError as error:
        return WeightsFile(content=content, problem=error)
    return WeightsFile(content=content, paths=tuple(paths), arrays=tuple(arrays))


def _describe(images: ImageFormat) -> str:
    height, width, channels = images.shape
    return f"{height}x{width} images of {channels} channel{'s' if channels > 1 else ''} in {images.n_classes} classes"
