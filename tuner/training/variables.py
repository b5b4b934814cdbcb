"""The variables of a model and its optimizer: created early, read, restored, and averaged at the end of a run."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


def build_variables(model: keras.Model, image_shape: tuple[int, int, int]) -> None:
    """Create all variables of model and optimizer, so that a checkpoint can be put into them."""
    if not model.built:
        model(keras.ops.zeros((1, *image_shape)))
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    _skip_sum_over_replicas(model.optimizer)


def state_variables(model: keras.Model) -> tuple[list[Any], list[Any]]:
    """Return the variables of the model, seeds of dropout among them, and those of its optimizer."""
    return list(model.variables), [] if model.optimizer is None else list(model.optimizer.variables)


def layers_with_constants(model: keras.Model) -> list[Any]:
    """Return the layers that keep constants computed from their weights, as `Normalization` does after `adapt`."""
    layers = _all_layers(model)
    return [layer for layer in layers if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None]


def _all_layers(model: keras.Model) -> list[Any]:
    return list(model._flatten_layers(include_self=False))  # noqa: SLF001 - Keras lists those of one level only


def renew_constants(model: keras.Model) -> None:
    """Compute those constants again, after the model was given other weights."""
    for layer in layers_with_constants(model):
        layer.finalize_state()


def read_variable(variable: Any) -> NDArray[Any]:
    """Copy a variable's value.

    Through a tensor, because NumPy 2 deprecates what Keras 3.15's `Variable.__array__` does.
    """
    return np.array(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable)))


def current_learning_rate(model: keras.Model) -> float | None:
    """Return the rate of the next step, that of a schedule too; None where the optimizer has no single one."""
    rate = getattr(model.optimizer, "learning_rate", None)
    return None if rate is None else float(read_variable(rate))


def _skip_sum_over_replicas(optimizer: Any) -> None:
    """Leave out the sum of gradients over replicas, because there is one replica.

    On TensorFlow it registers a gradient for the whole process that refers to the traced step: 5 MB a trial that are
    never freed (Keras 3.15.1, TensorFlow 2.21).
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(inner, "_all_reduce_sum_gradients"):
        inner._all_reduce_sum_gradients = list  # noqa: SLF001 - Keras has no public switch for it


def finalize_weights(model: keras.Model) -> None:
    """Replace the weights by their average (`use_ema`), as `Model.fit` does after its last epoch."""
    if model.optimizer is not None:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    separate_average(model)


def separate_average(model: keras.Model) -> None:
    """Give the weights and their average (`use_ema`) separate memory again.

    On JAX they share it once the average is in place, and the next Keras call that donates the weights destroys the
    average too (Keras 3.15.1).
    """
    # Loss scaling, which mixed_float16 brings, wraps the optimizer that averages.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if getattr(optimizer, "use_ema", False):
        for variable in model.trainable_variables:
            variable.assign(read_variable(variable))
