"""What a trained model's layers return for images, and which pixels its answer depends on.

Works for models of any kind, subclasses too: each layer's `call` is watched during one pass, eagerly and in inference
mode. No weight changes.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.image_ranges import white_of
from tuner.logs import stdout_as_stderr
from tuner.training.batches import scale
from tuner.training.programs.interface import find_backend

#: Activations that turn a class's score into its probability.
_SQUASHING = (keras.activations.softmax, keras.activations.sigmoid)
_IMAGE_RANK, _VECTOR_RANK = 4, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerOutput:
    """What one layer returned."""

    layer: keras.Layer
    #: float32, shape (n, height, width, channels) of a layer whose output is made of images, else (n, units).
    values: NDArray[np.float32]

    @property
    def is_spatial(self) -> bool:
        """Whether the output is made of images."""
        return self.values.ndim == _IMAGE_RANK


def layer_outputs(model: keras.Model, images: NDArray[np.uint8]) -> list[LayerOutput]:
    """Return what the model's layers return for these images, in the order in which they are called.

    Layers that pass their input on, as dropout and flattening do in inference, are left out, and so are outputs of
    other ranks, such as sequences.

    Args:
        model: Built, with the range of its images, see `image_ranges`.
        images: uint8, shape (n, height, width, channels), at least one.
    """
    pictures = scale(images, white_of(model))
    found: list[LayerOutput] = []
    before = _to_array(pictures)
    for layer, _, output in _watched_pass(model, pictures):
        values = _to_array(output)
        if values is None or values.ndim not in (_IMAGE_RANK, _VECTOR_RANK) or len(values) != len(images):
            continue
        if before is None or not np.array_equal(before.ravel(), values.ravel()):
            found.append(LayerOutput(layer=layer, values=values))
        before = values
    return found


def values_before_weights(model: keras.Model, images: NDArray[np.uint8]) -> list[tuple[str, NDArray[np.float32]]]:
    """Return what the images have become after each layer before the first with weights, and what that one is given.

    For models of any kind; what a model's `call` does between layers is in the last of them.

    Args:
        model: As in `layer_outputs`.
        images: As in `layer_outputs`.

    Returns:
        Names and float32 of any shape, first axis images.
    """
    found: list[tuple[str, Any]] = []
    for layer, given, output in _watched_pass(model, scale(images, white_of(model))):
        if layer.trainable_weights:
            found.append((f"before {layer.name}", _to_array(given)))
            break
        found.append((layer.name, _to_array(output)))
    return [(name, values) for name, values in found if values is not None and len(values) == len(images)]


def inputs_of_layers(
    model: keras.Model, images: NDArray[np.uint8], kind: type[keras.Layer]
) -> list[tuple[str, NDArray[np.float32]]]:
    """Return what the layers of a kind are given, in the order of their calls.

    Args:
        model: As in `layer_outputs`; it is not called where it has no such layer.
        images: As in `layer_outputs`.
        kind: The class of the layers.

    Returns:
        Names and float32 of any shape.
    """
    if not any(isinstance(layer, kind) for layer in _innermost_layers(model)):
        return []
    called = _watched_pass(model, scale(images, white_of(model)))
    found = [(layer.name, _to_array(given)) for layer, given, _ in called if isinstance(layer, kind)]
    return [(name, values) for name, values in found if values is not None]


def saliency(model: keras.Model, images: NDArray[np.uint8], classes: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Return how much each pixel matters for the score of a class: Simonyan et al., arXiv:1312.6034, section 3.

    The score is the class's output before the last softmax or sigmoid where that is the last layer's activation, else
    the output itself.

    Args:
        model: As in `layer_outputs`.
        images: As in `layer_outputs`.
        classes: int64, shape (n,): the class whose score is asked for, of each image.

    Returns:
        float32, shape (n, height, width): the absolute gradient, the largest of the channels; None where Keras runs on
        a backend without programs of ours.
    """
    backend = find_backend()
    if backend is None:
        return None
    chosen = np.eye(int(classes.max()) + 1, dtype=np.float32)[classes]
    last = _last_layer(model, images)

    def score(pictures: Any) -> Any:
        # No layer may leave a traced value in a variable.
        with keras.StatelessScope():
            outputs = model(pictures, training=False) if _takes_training(model) else model(pictures)
        return keras.ops.sum(outputs[:, : chosen.shape[1]] * chosen)

    with stdout_as_stderr(), _without_squashing(last):
        gradient = backend.gradient(
            score, np.asarray(keras.ops.convert_to_numpy(scale(images, white_of(model))), np.float32)
        )
    return np.asarray(np.abs(gradient).max(axis=-1), np.float32)


def _last_layer(model: keras.Model, images: NDArray[np.uint8]) -> keras.Layer | None:
    called = _watched_pass(model, scale(images[:1], white_of(model)))
    return called[-1][0] if called else None


@contextmanager
def _without_squashing(layer: keras.Layer | None) -> Iterator[None]:
    """Let a layer return its scores instead of probabilities."""
    activation = getattr(layer, "activation", None)
    if layer is None or activation not in _SQUASHING:
        yield
        return
    layer.activation = keras.activations.linear
    try:
        yield
    finally:
        layer.activation = activation


def _watched_pass(model: keras.Model, pictures: Any) -> list[tuple[keras.Layer, Any, Any]]:
    """Call the model and return each innermost layer with its first input and its output, in the order of the calls."""
    called: list[tuple[keras.Layer, Any, Any]] = []
    watched = _innermost_layers(model)
    for layer in watched:
        # In the instance, where it precedes the method of the class; `setattr` would have Keras track it.
        vars(layer)["call"] = _watch(layer, called)
    try:
        with stdout_as_stderr():
            _ = model(pictures, training=False) if _takes_training(model) else model(pictures)
    finally:
        for layer in watched:
            del vars(layer)["call"]
    return called


def _watch(layer: keras.Layer, called: list[tuple[keras.Layer, Any, Any]]) -> Callable[..., Any]:
    original = layer.call

    def call(*arguments: Any, **named: Any) -> Any:
        output = original(*arguments, **named)
        called.append((layer, next(iter((*arguments, *named.values())), None), output))
        return output

    return call


def _innermost_layers(model: keras.Model) -> list[keras.Layer]:
    """Return the layers that are made of no others, the same one once."""
    layers: Sequence[keras.Layer] = model._flatten_layers(include_self=False)  # noqa: SLF001 - Keras lists those of one level only
    innermost = [
        layer
        for layer in layers
        if not isinstance(layer, keras.layers.InputLayer) and not list(layer._flatten_layers(include_self=False))  # noqa: SLF001 - as above
    ]
    return list({id(layer): layer for layer in innermost}.values())


def _takes_training(model: keras.Model) -> bool:
    return bool(model._call_has_training_arg)  # noqa: SLF001 - Keras has no public way to ask


def _to_array(output: Any) -> NDArray[np.float32] | None:
    """Return a single tensor as float32; None for several, and for what is no tensor."""
    if isinstance(output, list | tuple | dict) or not keras.ops.is_tensor(output):
        return None
    return np.asarray(keras.ops.convert_to_numpy(output), np.float32)
