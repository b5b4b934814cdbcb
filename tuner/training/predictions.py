"""A trained model's probabilities for images, whatever its last layer returns.

| the model's outputs | become |
|---|---|
| in [0, 1], each row's sum 1 | themselves: they are probabilities |
| in [0, 1], any sum, as sigmoids give | divided by their sum |
| anything else, the loss is binary with `from_logits=True` | sigmoids divided by their sum |
| anything else | softmax |

The values that the model returns for the images and for noise decide what they are, because its last layer may be a
custom one. The class of the largest output stays the most probable.
"""

import statistics
import time
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.image_ranges import white_of
from tuner.logs import stdout_as_stderr
from tuner.training.batches import scale

#: Images converted to floats and computed at a time, so that memory does not grow with their number.
BATCH_SIZE = 512

#: How far a row's sum may be from 1: half-precision softmax of many classes is off by some thousandths.
_TOLERANCE = 0.01
_N_NOISE = 32
#: Calls of which the median time is taken.
_N_TIMED = 5

OutputKind = Literal["probabilities", "sigmoids", "logits", "binary logits"]


def predict_probabilities(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return each class's probability for each image.

    Args:
        model: Built, with the range of its images, see `image_ranges`.
        images: uint8, shape (n, height, width, channels).

    Returns:
        float32, shape (n, classes), in the order of the images; in [0, 1], the sum of each row is 1.
    """
    noise = predict_raw(model, noise_images(images.shape[1:]))
    outputs = predict_raw(model, images) if len(images) else noise[:0]
    # Together with noise, so that a single image is judged as many are.
    kind = output_kind(model, np.concatenate([noise, outputs]))
    return normalise(outputs, kind)


def predict_raw(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the model returns for at least one image: float32, shape (n, classes)."""
    white = white_of(model)
    # Not by Keras' `predict`, which makes a data set of each call's images: 45 ms of the processor.
    with stdout_as_stderr():
        batches = [
            model.predict_on_batch(keras.ops.convert_to_numpy(scale(images[start : start + BATCH_SIZE], white)))
            for start in range(0, len(images), BATCH_SIZE)
        ]
    return np.concatenate(batches).astype(np.float32)


def time_prediction(model: keras.Model, image: NDArray[np.uint8]) -> float:
    """Return the seconds that a prediction of one image takes: the median of several calls after the first.

    Args:
        model: Built, with the range of its images, see `image_ranges`.
        image: uint8, shape (height, width, channels).
    """
    one = image[np.newaxis]
    predict_raw(model, one)
    times = []
    for _ in range(_N_TIMED):
        started = time.perf_counter()
        predict_raw(model, one)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def output_kind(model: keras.Model, outputs: NDArray[np.float32]) -> OutputKind:
    """Return which row of the table above a model's outputs, shape (n, classes), belong to."""
    if np.all((outputs >= 0) & (outputs <= 1)):
        is_distribution = np.all(np.abs(outputs.sum(axis=1, dtype=np.float64) - 1) <= _TOLERANCE)
        return "probabilities" if is_distribution else "sigmoids"
    return "binary logits" if _is_binary_with_logits(model.loss) else "logits"


def normalise(outputs: NDArray[np.float32], kind: OutputKind) -> NDArray[np.float32]:
    """Turn outputs of that kind, shape (n, classes), into probabilities."""
    if kind == "probabilities":
        return outputs
    wide = outputs.astype(np.float64)
    if kind == "logits":
        shares = np.exp(wide - wide.max(axis=1, keepdims=True))
    elif kind == "binary logits":
        # Beyond 500 the sigmoid is 0 or 1 in any precision.
        shares = 1 / (1 + np.exp(-np.clip(wide, -500, 500)))
    else:
        # Where every sigmoid is 0 the classes are equally unlikely.
        shares = np.where(wide.sum(axis=1, keepdims=True) > 0, wide, 1.0)
    return _with_winners(np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32), outputs.argmax(axis=1))


def _with_winners(probabilities: NDArray[np.float32], winners: NDArray[np.intp]) -> NDArray[np.float32]:
    """Keep each row's winner the largest, where rounding has made another as large."""
    rows = np.flatnonzero(probabilities.argmax(axis=1) != winners)
    probabilities[rows, winners[rows]] = np.nextafter(probabilities[rows].max(axis=1), np.float32(2))
    return probabilities


def noise_images(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return 32 images of noise, the same every time: uint8, shape (32, *shape)."""
    return np.random.default_rng(0).integers(0, 256, (_N_NOISE, *shape), np.uint8)


def _is_binary_with_logits(loss: Any) -> bool:
    names = (getattr(loss, "name", ""), type(loss).__name__)
    is_binary = any("binary" in name.lower() for name in names if isinstance(name, str))
    return is_binary and bool(getattr(loss, "from_logits", False))
