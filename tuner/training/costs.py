"""What a model needs, whatever it has learned: one line for each of `tuner.objectives.COSTS`."""

import math
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.image_ranges import white_of
from tuner.training.batches import scale
from tuner.training.predictions import noise_images
from tuner.training.programs.interface import find_backend
from tuner.training.variables import read_variable

#: Calls that are timed, after those that warm up.
_N_TIMED, _N_WARM = 50, 3
#: A model that needs longer for all of them is timed this often at least.
_MOST_S, _FEWEST_TIMED = 5.0, 5


def count_weights(model: keras.Model) -> dict[str, float]:
    """Return the number of a built model's weights, trainable or not, and their bytes."""
    sizes = [(math.prod(one.shape), np.dtype(keras.backend.standardize_dtype(one.dtype))) for one in model.weights]
    return {
        "parameters": float(sum(n for n, _ in sizes)),
        "size_bytes": float(sum(n * dtype.itemsize for n, dtype in sizes)),
    }


def measure_latency(model: keras.Model, shape: tuple[int, int, int]) -> dict[str, float]:
    """Return the milliseconds in which a built model answers one image: the median of 50 calls on its device.

    The call is compiled as one function, from a NumPy array to a NumPy array, and warmed up. The model does not change.

    Args:
        model: With the range of its images, see `image_ranges`.
        shape: Of an image: height, width, channels.

    Raises:
        Exception: What the model raises for a single image, as one with a fixed batch size does.
    """
    image = np.asarray(keras.ops.convert_to_numpy(scale(noise_images(shape)[:1], white_of(model))), np.float32)
    # A layer of a person's own may change them, or draw random numbers, whenever it is called.
    before = [(variable, read_variable(variable)) for variable in model.non_trainable_variables]
    try:
        answer = _compile(model)
        for _ in range(_N_WARM):
            answer(image)
        return {"latency_ms": 1000 * statistics.median(_time_calls(answer, image))}
    finally:
        for variable, value in before:
            variable.assign(value)


def _compile(model: keras.Model) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    backend = find_backend()
    if backend is None or model.run_eagerly:
        return lambda image: np.asarray(keras.ops.convert_to_numpy(model(image, training=False)), np.float32)
    return backend.compile_answer(model)


def _time_calls(
    answer: Callable[[NDArray[np.float32]], NDArray[np.float32]], image: NDArray[np.float32]
) -> list[float]:
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < _N_TIMED and (len(times) < _FEWEST_TIMED or time.perf_counter() - begun < _MOST_S):
        started = time.perf_counter()
        answer(image)
        times.append(time.perf_counter() - started)
    return times
