"""The body of a pretrained net inside a model: what it is, which of its blocks learn, and its weights from a file.

A builder notes the body in its model, as `image_ranges` does with a range; `jobs` asks the model, and reads the file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tuner.errors import TunerError, shorten
from tuner.spaces.applications import Application

_ATTRIBUTE = "tuner_body"
#: Longest part of Keras' message that is repeated.
_MAX_REASON = 300


class OtherBodyError(TunerError):
    """A file holds the weights of another net."""

    def __init__(self, place: str, application: Application, reason: str) -> None:
        super().__init__(
            f"The weights in {place} do not fit {application.name} without its head: "
            f"{shorten(reason, width=_MAX_REASON).rstrip('.')}. Expected a file of {application.name} with "
            f"include_top=False, such as {application.file} of Keras or what save_weights writes."
        )


@dataclass(frozen=True, kw_only=True)
class Body:
    """A net of keras.applications inside a model."""

    application: Application
    #: The layer or function whose tensor it takes, and the layer that returns its last features.
    prepared_by: str
    last_layer: str
    #: Whether training starts from weights that it learned elsewhere, instead of from those that it was built with.
    is_pretrained: bool


def mark_body(model: keras.Model, body: Body) -> None:
    """Note in a model which body it has."""
    setattr(model, _ATTRIBUTE, body)


def body_of(model: keras.Model) -> Body | None:
    """Return the body that was noted in a model; None without one."""
    found: Body | None = getattr(model, _ATTRIBUTE, None)
    return found


def body_model(model: keras.Model, body: Body) -> keras.Model:
    """Return the part of the model up to the end of its body, with the same layers."""
    return keras.Model(model.inputs, model.get_layer(body.last_layer).output)


def load_body(model: keras.Model, body: Body, file: Path, *, place: str) -> list[Any]:
    """Give the body the weights in a file, in either of Keras' formats, and return these weights of the model.

    Args:
        model: With weights.
        body: Its own.
        file: Its name ends as Keras wants it, `.weights.h5` for what `save_weights` writes, else `.h5`.
        place: Where the file is from, for errors.

    Raises:
        OtherBodyError: It holds the weights of another net, or none; the body may then have some of them.
    """
    part = body_model(model, body)
    try:
        part.load_weights(file)
    except Exception as error:
        # Keras, and HDF5 below it, raise errors of any class for a file that is damaged or another net's.
        raise OtherBodyError(place, body.application, _in_words(error)) from error
    return list(part.weights)


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    # A paragraph on each layer follows.
    return re.split(r" (?:List of objects|Received:|For reference|Here is)", text)[0] or type(error).__name__


def list_blocks(net: keras.Model) -> list[list[keras.layers.Layer]]:
    """Return the layers with weights, divided where the net halves its images, in the net's order.

    A layer belongs to the block that its longest way from the input leads to; most nets have five.
    """
    levels: dict[int, int] = {}
    blocks: dict[int, list[keras.layers.Layer]] = {}
    for operation in net.operations:
        before = _tensors(operation, "input") if not isinstance(operation, keras.layers.InputLayer) else []
        level = max((levels.get(id(tensor), 0) for tensor in before), default=0) + _halves(operation)
        for tensor in _tensors(operation, "output"):
            levels[id(tensor)] = level
        if getattr(operation, "weights", None):
            blocks.setdefault(level, []).append(operation)
    return [blocks[level] for level in sorted(blocks)]


def _tensors(operation: Any, side: str) -> Sequence[Any]:
    return list(keras.tree.flatten(getattr(operation, side)))


def _halves(operation: Any) -> bool:
    """Say whether a layer, or one within it, steps over images by more than one pixel."""
    parts = operation.layers if isinstance(operation, keras.Model) else [operation]
    strides = [getattr(part, "strides", 1) for part in parts]
    return any(max(one) > 1 if isinstance(one, tuple | list) else one > 1 for one in strides)


def freeze(layers: Sequence[keras.layers.Layer]) -> None:
    """Leave these layers as they are in training; batch normalization then uses the statistics that it has."""
    for layer in layers:
        layer.trainable = False
