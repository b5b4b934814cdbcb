"""Start a model from the weights of another one, layer by layer, where names and shapes agree.

Keras numbers the layers that nobody named anew in every process (`dense_7`). Such names are counted here within the
model, kind by kind in the order of the layers, so that the third dense layer of one model is that of the other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tuner.errors import TunerError
from tuner.image_ranges import ImageRange, range_of
from tuner.training.variables import renew_constants

_NUMBERED = re.compile(r"(.+?)(?:_(\d+))?")
#: Parts of the path of a weight in a functional model: its layer's name and its own.
_DEPTH_OF_A_WEIGHT = 2
#: Layers that a note names.
_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class InitialWeights:
    """The weights of another model."""

    #: Where they are from, for people.
    origin: str
    #: The path in the model of each weight, such as `conv2d_3/kernel`, in the model's order.
    paths: tuple[str, ...]
    values: tuple[NDArray[Any], ...]
    #: Whether layers agree by the last part of their names, and weights by their order in a layer, as in a file of
    #: `weights_h5`; else by the whole path.
    by_layer_alone: bool = False
    #: Epochs at the start in which the layers that are taken do not change.
    freeze_epochs: int = 0
    #: In which range the other model took its images; None where that is not known.
    image_range: ImageRange | None = None
    #: Paths of those weights of the model whose layers must be taken, such as a pretrained net's.
    required: frozenset[str] = frozenset()


class LayerNotTakenError(TunerError):
    """A layer that must have the other model's weights cannot have them."""

    def __init__(self, origin: str, layer: str) -> None:
        super().__init__(
            f"The weights of {origin} do not fit: they have no layer {layer!r} with weights of the same shapes. "
            "Expected those of the same net."
        )


def take_weights(model: keras.Model, initial: InitialWeights, *, steps_per_epoch: int) -> str:
    """Give a built model the weights of those of its layers that the other one has in the same shapes.

    A layer is taken whole or not at all. The trainable weights of the layers that were taken stay as they are for
    `initial.freeze_epochs`, by a constraint that counts the optimizer's steps: a resumed run needs no state for it.
    Batch normalization goes on averaging its statistics meanwhile.

    Returns:
        A sentence that says which layers were taken.

    Raises:
        LayerNotTakenError: A layer that is required is not among the given ones, or has other shapes there.
    """
    given = _by_layer(initial.paths, initial.values)
    own = _by_layer([weight.path for weight in model.weights], model.weights)
    taken: list[str] = []
    for layer, weights in own.items():
        found = given.get(layer.rpartition("/")[2] if initial.by_layer_alone else layer, {})
        if initial.by_layer_alone:
            found = dict(zip(weights, found.values(), strict=False)) if len(found) == len(weights) else {}
        shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
        if shapes != {name: value.shape for name, value in found.items()}:
            if any(weight.path in initial.required for weight in weights.values()):
                raise LayerNotTakenError(initial.origin, layer)
            continue
        taken.append(layer)
        for name, weight in weights.items():
            weight.assign(found[name])
            if initial.freeze_epochs and weight.trainable:
                weight.constraint = Frozen(found[name], model, n_steps=initial.freeze_epochs * steps_per_epoch)
    renew_constants(model)
    return _describe(initial, taken, [layer for layer in own if layer not in taken]) + _compare_ranges(model, initial)


def _compare_ranges(model: keras.Model, initial: InitialWeights) -> str:
    if initial.image_range in (None, range_of(model)):
        return ""
    return (
        f" That model took its images in the {initial.image_range}, this one takes them in the {range_of(model)} "
        "(data.images): unless the builder scales them, the weights that were taken see other values than they learned."
    )


class Frozen(keras.constraints.Constraint):  # type: ignore[misc] # Keras ships no types
    """Holds a weight at a value for the first steps of the optimizer."""

    def __init__(self, value: NDArray[Any], model: keras.Model, *, n_steps: int) -> None:
        self._value, self._model, self._n_steps = np.asarray(value), model, n_steps

    def __call__(self, w: Any) -> Any:
        """Return the value while the optimizer has taken fewer steps, else the weight."""
        optimizer = getattr(self._model.optimizer, "inner_optimizer", self._model.optimizer)
        is_frozen = ops.convert_to_tensor(optimizer.iterations) < self._n_steps
        return ops.where(is_frozen, ops.cast(self._value, w.dtype), ops.convert_to_tensor(w))


def has_frozen_weights(model: keras.Model) -> bool:
    """Say whether a weight of the model is held for its first steps."""
    return any(isinstance(getattr(weight, "constraint", None), Frozen) for weight in model.trainable_weights)


def _by_layer(paths: Sequence[str], weights: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Return weights by their names, by the names of their layers, unnamed layers counted within the model."""
    counted: dict[tuple[str, str], dict[str, int]] = {}
    layers: dict[str, dict[str, Any]] = {}
    parted = [path.split("/") for path in paths]
    # A sequential model has its own name in front of its layers', a functional one has not.
    n_own = int(len({parts[0] for parts in parted}) == 1 and all(len(parts) > _DEPTH_OF_A_WEIGHT for parts in parted))
    for parts, weight in zip(parted, weights, strict=True):
        *parents, name = parts[n_own:]
        layer = ""
        for part in parents:
            layer += f"/{_count(part, counted, within=layer)}" if layer else _count(part, counted, within=layer)
        layers.setdefault(layer, {})[name] = weight
    return layers


def _count(name: str, counted: dict[tuple[str, str], dict[str, int]], *, within: str) -> str:
    match = _NUMBERED.fullmatch(name)
    kind = match[1] if match else name
    if kind not in _kinds_of_layers():
        return name
    numbers = counted.setdefault((within, kind), {})
    number = numbers.setdefault(name, len(numbers) + 1)
    return f"{kind} {number}"


@cache
def _kinds_of_layers() -> frozenset[str]:
    """Return the names that Keras numbers: those of its classes of layers and models."""
    classes = [*vars(keras.layers).values(), keras.Model, keras.Sequential, keras.models.Model]
    names = {one.__name__ for one in classes if isinstance(one, type)} | {"Functional"}
    return frozenset(map(_to_snake_case, names))


def _to_snake_case(name: str) -> str:
    parted = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def _describe(initial: InitialWeights, taken: Sequence[str], new: Sequence[str]) -> str:
    if not taken:
        return f"Started from new weights: no layer agrees in name and shape with one of {initial.origin}."
    frozen = ""
    if initial.freeze_epochs:
        epochs = "the first epoch" if initial.freeze_epochs == 1 else f"the first {initial.freeze_epochs} epochs"
        frozen = f", frozen for {epochs}"
    rest = f"; new: {_list(new)}" if new else ""
    share = f"{len(taken)} of {len(taken) + len(new)} layers taken{frozen}"
    return f"Started from {initial.origin}: {share}: {_list(taken)}{rest}."


def _list(layers: Sequence[str]) -> str:
    more = f" and {len(layers) - _MOST_NAMED} more" if len(layers) > _MOST_NAMED else ""
    return ", ".join(layers[:_MOST_NAMED]) + more
