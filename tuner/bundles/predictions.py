"""Predictions of a model or an ensemble on the test set, stored as an artifact. Knows neither Keras nor Optuna."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.artifacts import ArtifactStore
from tuner.bundles.arrays import ArraysUnreadableError, pack_arrays, unpack_arrays
from tuner.errors import TunerError

#: Misclassified images stored for the report: six rows of ten.
MAX_ERROR_IMAGES = 60

_NAMES = ("labels", "probabilities", "error_indices", "error_images")


class PredictionsUnreadableError(TunerError):
    """The predictions of a retrained model are damaged."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """The predictions on the test set, in its order, and the worst errors."""

    #: int64, shape (n,), the true classes.
    labels: NDArray[np.int64]
    #: float32, shape (n, classes).
    probabilities: NDArray[np.float32]
    #: int64, shape (k,): misclassified images, highest predicted probability first.
    error_indices: NDArray[np.int64]
    #: uint8, shape (k, height, width, channels).
    error_images: NDArray[np.uint8]

    @property
    def n_correct(self) -> int:
        return int(np.sum(self.probabilities.argmax(axis=1) == self.labels))

    @property
    def accuracy(self) -> float:
        """Share of correct predictions, in [0, 1]."""
        return self.n_correct / len(self.labels)


def find_worst_errors(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the indices of the most confidently misclassified images, at most `MAX_ERROR_IMAGES`, worst first."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    # Stable, so that equally confident errors keep the test set's order.
    order = np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")
    return wrong[order][:MAX_ERROR_IMAGES].astype(np.int64)


def write_predictions(
    store: ArtifactStore,
    path: str,
    *,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    images: NDArray[np.uint8],
) -> Predictions:
    """Write the artifact that `RetrainRecord.predictions` describes, and return what was written.

    Args:
        store: Where it is written.
        path: Its path there, ending in `.npz`; an existing file is replaced.
        labels: int64, shape (n,), the true classes.
        probabilities: float32, shape (n, classes).
        images: uint8, shape (n, height, width, channels): the test images, of which the worst errors are kept.

    Raises:
        ValueError: The three differ in length.
        TunerError: The store refuses the file.
    """
    if not len(labels) == len(probabilities) == len(images):
        raise ValueError(
            f"Received {len(labels)} labels, {len(probabilities)} predictions and {len(images)} images. "
            "Expected equal numbers."
        )
    errors = find_worst_errors(labels, probabilities)
    predictions = Predictions(
        labels=np.asarray(labels, np.int64),
        probabilities=np.asarray(probabilities, np.float32),
        error_indices=errors,
        error_images=images[errors],
    )
    store.write(path, pack_arrays({name: getattr(predictions, name) for name in _NAMES}))
    return predictions


def read_predictions(store: ArtifactStore, path: str) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        ArtifactNotFoundError: No file has that path.
        PredictionsUnreadableError: The file is damaged.
    """
    try:
        arrays = unpack_arrays(store.read(path), _NAMES)
    except ArraysUnreadableError as error:
        raise PredictionsUnreadableError(
            f"The predictions in {store.location(path)} are damaged: {error}. Run the study's finals again."
        ) from error
    predictions = Predictions(**arrays)
    if not _belong_together(predictions):
        raise PredictionsUnreadableError(
            f"The predictions in {store.location(path)} are damaged: their arrays do not fit each other. "
            "Run the study's finals again."
        )
    return predictions


def _belong_together(predictions: Predictions) -> bool:
    """Say whether types and shapes fit the fields, and labels and indices are in range."""
    labels, probabilities = predictions.labels, predictions.probabilities
    indices, images = predictions.error_indices, predictions.error_images
    types = [array.dtype for array in (labels, probabilities, indices, images)]
    if types != [np.int64, np.float32, np.int64, np.uint8]:
        return False
    if (labels.ndim, probabilities.ndim, indices.ndim, images.ndim) != (1, 2, 1, 4):
        return False
    n_images, n_classes = probabilities.shape
    return (
        len(labels) == n_images > 0
        and len(indices) == len(images)
        and n_classes > 0
        and _are_within(labels, n_classes)
        and _are_within(indices, n_images)
    )


def _are_within(indices: NDArray[np.int64], length: int) -> bool:
    return bool(((indices >= 0) & (indices < length)).all())
