"""Whether a `fit` of a person's own is given images that do not fit into memory: asked before a study is stored."""

from math import prod

import keras
import numpy as np

from tuner.free_memory import free_memory_bytes
from tuner.spaces.space import Space
from tuner.training.keras_loop import may_be_arrays
from tuner.training.own_fit import ManyImagesError
from tuner.training.programs import overrides_fit


def describe_short_memory(
    space: Space, model: keras.Model, *, n_train: int, n_validation: int, shape: tuple[int, int, int]
) -> str | None:
    """Return what this machine's memory is too short for; None where it is enough, or images are read in chunks.

    Args:
        space: The study's space.
        model: What it builds.
        n_train: Number of images that a trial trains on.
        n_validation: Number of images that it is scored on.
        shape: Of an image: height, width, channels.
    """
    n_bytes_each = prod(shape) * np.dtype(np.float32).itemsize
    n_bytes, n_free = n_bytes_each * (n_train + n_validation), free_memory_bytes()
    if space.fit is not None and n_bytes > n_free:
        return f"{ManyImagesError(n_bytes=n_bytes, n_free=n_free)} On this machine each trial would fail with this."
    n_bytes = n_bytes_each * n_validation
    if space.fit is None and overrides_fit(model) and not may_be_arrays(n_bytes):
        return (
            "The model's class has a fit of its own, whose validation_data is a keras.utils.PyDataset of batches, no "
            f"pair of arrays: these would take {n_bytes / 2**30:.1f} GiB as floats, and {n_free / 2**30:.1f} GiB of "
            "memory are free. Leave `fit` out if it takes arrays apart, or lower data.validation_fraction."
        )
    return None
