"""Models that scale images a second time, found by the outputs of their first layers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.logs import stdout_as_stderr

#: Images whose values span at least `_WIDE`, and after a layer at most `_NARROW` of their largest, were divided by 255,
#: or by 16 as those of scikit-learn's digits are, or moved by a mean of pixels from 0 to 255.
_WIDE, _NARROW = 0.2, 0.07

#: Names of layers, or of places between them, and what the images have become there.
Stations = Iterable[tuple[str, NDArray[np.floating]]]


@dataclass(frozen=True, kw_only=True)
class DoubleScaling:
    """A layer whose outputs for different images are nearly equal."""

    layer: str
    #: The lowest and the highest of its outputs.
    low: float
    high: float


@stdout_as_stderr()
def find_double_scaling(
    model: keras.Model, pictures: NDArray[np.float32], *, of_subclass: Callable[[], Stations]
) -> DoubleScaling | None:
    """Return the layer that makes images nearly equal, if no later layer without weights undoes it; None without one.

    Args:
        model: With weights.
        pictures: float32, shape (n, height, width, channels), in the range in which the model takes them.
        of_subclass: Called for a model that declares no input: what its layers make of the pictures, in their order.
    """
    if np.ptp(pictures) < _WIDE:
        return None
    found = None
    stations = _outputs(model, pictures) if getattr(model, "inputs", None) else of_subclass()
    for name, values in stations:
        if _spread(values) > _NARROW:
            # A later layer has spread them again.
            found = None
        elif found is None:
            found = DoubleScaling(layer=name, low=float(values.min()), high=float(values.max()))
    return found


def _spread(values: NDArray[np.floating]) -> float:
    """Return how far the values of a channel reach, as a part of the largest value where that is above 1."""
    channels = values.reshape(-1, values.shape[-1])
    largest = max(1.0, float(np.abs(channels).max()))
    return float(np.ptp(channels, axis=0).max()) / largest


def _outputs(model: keras.Model, pictures: NDArray[np.float32]) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Yield the name and the output of each operation before the first with weights, those of nested models too."""
    inputs = getattr(model, "inputs", None)
    if not isinstance(inputs, list) or len(inputs) != 1:
        yield from _outputs_of_rescalings(model, pictures)
        return
    names, outputs, nested = _leading_operations(model)
    if outputs:
        values = keras.Model(inputs[0], outputs)(pictures, training=False)
        values = values if isinstance(values, list | tuple) else [values]
        arrays = [keras.ops.convert_to_numpy(each) for each in values]
        yield from zip(names, arrays, strict=True)
        pictures = arrays[-1]
    if nested is not None:
        yield from _outputs(nested, pictures)


def _leading_operations(model: keras.Model) -> tuple[list[str], list[Any], keras.Model | None]:
    """Return names and outputs of the operations before the first one with weights, and a nested model after them."""
    n_values = _count_values(model.inputs[0])
    names: list[str] = []
    outputs: list[Any] = []
    for operation in _operations(model):
        if isinstance(operation, keras.layers.InputLayer):
            continue
        if isinstance(operation, keras.Model):
            return names, outputs, operation
        output = operation.output
        # `Resizing` and a copy of the one channel leave images, `Flatten` and `Reshape` the number of values.
        is_kept = len(getattr(output, "shape", ())) == len(model.inputs[0].shape) or _count_values(output) == n_values
        if _has_learned(operation) or not is_kept:
            break
        names.append(operation.name)
        outputs.append(output)
    return names, outputs, None


def _has_learned(operation: Any) -> bool:
    """Say whether an operation has weights that learn, or have learned and are frozen, and not statistics alone."""
    is_frozen = not getattr(operation, "trainable", True)
    return bool(getattr(operation, "weights" if is_frozen else "trainable_weights", ()))


def _count_values(tensor: Any) -> tuple[int, int]:
    """Return the number of values of one image, and the number of its sides that may have any length."""
    sides = tuple(getattr(tensor, "shape", ()))[1:]
    return prod(side for side in sides if side is not None), sides.count(None)


def _operations(model: keras.Model) -> Sequence[Any]:
    # A functional model lists its layers, and functions such as `x / 255`, in the order of computation.
    return list(getattr(model, "operations", None) or model.layers)


def _outputs_of_rescalings(
    model: keras.Model, pictures: NDArray[np.float32]
) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Yield what each `Rescaling` of a subclass makes of the pictures: the order of its layers is unknown."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Rescaling):
            yield layer.name, keras.ops.convert_to_numpy(layer(pictures))
        elif isinstance(layer, keras.Sequential) and layer.built:
            yield from _outputs(layer, pictures)
