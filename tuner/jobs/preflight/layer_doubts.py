"""Layers that work and learn badly: one that squashes probabilities a second time, and one that cuts images off."""

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.image_ranges import white_of
from tuner.training.batches import scale
from tuner.training.layer_outputs import inputs_of_layers

#: Operations without weights that leave probabilities as they are while a model answers.
_LEAVES_VALUES = (keras.layers.Dropout, keras.layers.Identity, keras.layers.Flatten, keras.layers.Reshape)


def doubt_about_double_softmax(model: keras.Model) -> str | None:
    """Return a warning where a model's last layer applies softmax or sigmoid to what one of them has made; else None.

    The order of a subclass's layers is unknown: of these, nothing is said.
    """
    if not getattr(model, "inputs", None) or len(model.outputs) != 1:
        return None
    # Before an output that has one input there is one operation, as operations are listed by their distance to it.
    last, before = (*_last_operations(model), None, None)[:2]
    # What a layer with weights makes of probabilities is no longer one.
    if (
        last is None
        or before is None
        or isinstance(getattr(last, "input", None), list | tuple)
        or getattr(last, "weights", None)
    ):
        return None
    squashing, squashed = _squashing(last), _squashing(before)
    if squashing is None or squashed is None:
        return None
    bound = ""
    n_classes = model.outputs[0].shape[-1]
    if squashing == "softmax" and n_classes:
        bound = f" No class can get a probability above {math.e / (math.e + n_classes - 1):.2f}, and it learns slowly."
    return (
        f"The model's last layer {last.name!r} applies {squashing} to outputs to which {before.name!r} has applied "
        f"{squashed} already.{bound or ' It learns slowly.'} Leave out one of the two."
    )


def _last_operations(model: keras.Model) -> Iterator[Any]:
    """Yield the operations that change values, the last first, those of nested models too."""
    for operation in reversed(getattr(model, "operations", None) or model.layers):
        if isinstance(operation, keras.Model) and getattr(operation, "inputs", None):
            yield from _last_operations(operation)
        elif not isinstance(operation, (keras.layers.InputLayer, *_LEAVES_VALUES)):
            yield operation


def _squashing(operation: Any) -> str | None:
    """Return `softmax` or `sigmoid` where an operation ends in it."""
    activation = getattr(operation, "activation", None)
    name = type(operation).__name__ if activation is None else getattr(activation, "__name__", "")
    # TensorFlow's own is called softmax_v2.
    return next((known for known in ("softmax", "sigmoid") if name.lower() in {known, f"{known}_v2"}), None)


def doubt_about_embedding(model: keras.Model, examples: NDArray[np.uint8]) -> str | None:
    """Return a warning where an `Embedding` takes images from 0 to 1, of which whole numbers are 0 and 1; else None.

    Args:
        model: With weights.
        examples: uint8, shape (n, height, width, channels).
    """
    white = white_of(model)
    pictures = keras.ops.convert_to_numpy(scale(examples, white))
    if not (pictures % 1).any():
        return None
    indices = pictures.astype(np.int64).ravel()
    for name, given in inputs_of_layers(model, examples, keras.layers.Embedding):
        if given.size == indices.size and np.array_equal(given.astype(np.int64).ravel(), indices):
            return (
                f"The model's layer {name!r} reads pixels as whole numbers, and images arrive in [0, {white:g}]: every "
                'pixel that is not white becomes 0. Set data.images = "uint8-range" to have images from 0 to 255, for '
                "keras.layers.Embedding(256, …), or multiply them by 255 in the builder."
            )
    return None
