"""The bundle file whose weights a study's models start from: its hash, and whether it fits. Imports no Keras."""

import hashlib

from tuner.bundles.bundle import Bundle, parse_bundle
from tuner.bundles.bundle_places import read_bundle_file
from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError

#: Keys of a study's provenance: the SHA-256 of the file that trials, and that finals, start from.
WEIGHTS_SHA256, FINALS_WEIGHTS_SHA256 = "weights_sha256", "finals_weights_sha256"


class OtherWeightsError(TunerError):
    """A bundle's model is for other images or another number of classes."""

    def __init__(self, place: str, received: ImageFormat, expected: ImageFormat) -> None:
        super().__init__(
            f"The weights in {place} are of a model for {_describe(received)}; this study has {_describe(expected)}. "
            "Expected a bundle of the same image size, channels and number of classes."
        )


def read_weights(place: str, images: ImageFormat) -> tuple[str, Bundle]:
    """Return the SHA-256 of a bundle file and the bundle, for a study of these images.

    Raises:
        NotABundleError: The file is not there, or no bundle.
        OtherWeightsError: Its model is for other images or another number of classes.
    """
    content = read_bundle_file(place, artifacts=None)
    bundle = parse_bundle(content, origin=place)
    of_bundle = bundle.description.images
    if of_bundle.shape != images.shape or of_bundle.n_classes != images.n_classes:
        raise OtherWeightsError(place, of_bundle, images)
    return hashlib.sha256(content).hexdigest(), bundle


def _describe(images: ImageFormat) -> str:
    height, width, channels = images.shape
    return f"{height}x{width} images of {channels} channel{'s' if channels > 1 else ''} in {images.n_classes} classes"
