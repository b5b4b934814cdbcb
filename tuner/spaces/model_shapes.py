"""Whether a model takes a dataset's images and returns one number for each class; and how all its weights are made."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tuner.backends import is_of_device
from tuner.datasets.images import ImageFormat
from tuner.errors import shorten
from tuner.spaces.own_code import text_of

#: Longest part of a library's message that is repeated in an error.
_MAX_REASON = 300


class ShapeProblemError(Exception):
    """A model does not fit the images; the message says why and what to change."""


def create_weights(model: keras.Model, images: ImageFormat) -> None:
    """Make all weights that training would make, whether or not the model knows the shape of its input.

    A subclass of `keras.Model` has no weights before it is called, although Keras takes it for built after `build`. A
    layer that is used in training only gets its weights from a symbolic call: a real one would change statistics.

    Raises:
        ShapeProblemError: The model cannot be called on these images.
    """
    if input_specs(model):
        return
    try:
        if isinstance(model, keras.Sequential):
            # A call on an image would fix the batch size at 1.
            model.build((None, *images.shape))
        else:
            model(keras.ops.zeros((1, *images.shape)))
        # Training, too, leaves the argument out if the model does not take it.
        is_told = "training" in inspect.signature(model.call).parameters
        if is_told and any(not layer.built for layer in _all_layers(model)):
            model(keras.KerasTensor((2, *images.shape)), training=True)
    except Exception as error:
        if is_of_device(error):
            raise
        raise ShapeProblemError(_cannot_take(images, error)) from error


def refuse_wrong_shapes(model: keras.Model, images: ImageFormat) -> None:
    """Check the shapes that a model with weights takes and returns.

    Raises:
        ShapeProblemError: It takes other images, or returns anything but one tensor of shape (batch, classes).
    """
    inputs = input_specs(model)
    _refuse_wrong_inputs(inputs, images)
    try:
        if inputs:
            # For any number of images, which Keras answers without running a layer.
            answer = model.compute_output_spec(keras.KerasTensor((None, *images.shape)))
        else:
            answer = model(keras.ops.zeros((2, *images.shape)))
    except Exception as error:
        if is_of_device(error):
            raise
        raise ShapeProblemError(_cannot_take(images, error)) from error
    _refuse_wrong_output(answer, images)


def input_specs(model: keras.Model) -> list[Any]:
    """Return the inputs that the model declares; empty for a subclass, which shows them only when called."""
    inputs = getattr(model, "inputs", None)
    return list(inputs) if isinstance(inputs, list | tuple) else []


def _refuse_wrong_inputs(inputs: Sequence[Any], images: ImageFormat) -> None:
    expected = _batch_of(images.shape)
    if len(inputs) > 1:
        shapes = " and ".join(str(tuple(each.shape)) for each in inputs)
        raise ShapeProblemError(
            f"it has {len(inputs)} inputs, of shapes {shapes}; expected one of shape {expected}: the images."
        )
    if inputs and not _takes(tuple(inputs[0].shape)[1:], images.shape):
        raise ShapeProblemError(
            f"its input has shape {_batch_of(tuple(inputs[0].shape)[1:])}, expected {expected}: height, width and "
            "channels of the images. Write build(hp, images) and begin with keras.Input(images.shape), or set "
            "data.resize."
        )


def _takes(wanted: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    # Keras adds or drops a last axis of length 1 by itself.
    if len(wanted) == len(given) - 1 and given[-1] == 1:
        wanted = (*wanted, 1)
    return len(wanted) == len(given) and all(side in (None, size) for side, size in zip(wanted, given, strict=True))


def _refuse_wrong_output(answer: Any, images: ImageFormat) -> None:
    expected = f"one tensor of shape (None, {images.n_classes}): one number for each class"
    if isinstance(answer, Mapping):
        kind = f"a dictionary with the keys {', '.join(map(repr, answer))}"
        raise ShapeProblemError(f"it returns {kind}, expected {expected}. Give keras.Model the tensor itself.")
    if isinstance(answer, list | tuple):
        shapes = ", ".join(str(_batch_of(tuple(getattr(each, "shape", ()))[1:])) for each in answer)
        raise ShapeProblemError(
            f"it returns a list of {len(answer)} tensors of shapes {shapes}, expected {expected}. "
            "Give keras.Model that tensor itself, without a list."
        )
    shape = tuple(answer.shape)[1:]
    if shape == (images.n_classes,):
        return
    reason = f"its output has shape {_batch_of(shape)}, expected (None, {images.n_classes}): one probability for "
    reason += "each class."
    if shape == (1,):
        reason += (
            f" For {images.n_classes} classes end in Dense({images.n_classes}, activation='softmax') with a categorical"
            " loss, in place of one neuron."
        )
    elif len(shape) != 1:
        reason += " Add Flatten or GlobalAveragePooling2D before the last Dense layer."
    raise ShapeProblemError(reason)


def _cannot_take(images: ImageFormat, error: Exception) -> str:
    reason = shorten(text_of(error), width=_MAX_REASON)
    return f"it cannot be called on images of shape {_batch_of(images.shape)}: {type(error).__name__}: {reason}"


def _batch_of(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    return (None, *shape)


def _all_layers(model: keras.Model) -> list[Any]:
    return list(model._flatten_layers(include_self=False))  # noqa: SLF001 - Keras lists those of one level only
