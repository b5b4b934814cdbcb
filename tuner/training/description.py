"""What of a compiled model is part of the programs compiled for it."""

import json
import warnings
from typing import Any

import keras

from tuner.training.variables import layers_with_constants, read_variable, state_variables

#: Types of those of an optimizer's attributes that are no state.
_SETTINGS = (str, int, float, bool, set, frozenset)


def describe_model(model: keras.Model) -> str:
    """Return all that a program has of a model as constants.

    Returns:
        JSON; empty when not all of it is known, as where a layer, a loss or a function is not Keras' own.
    """
    if not _is_keras_module(type(model).__module__):
        return ""
    try:
        with warnings.catch_warnings():
            # Of lambdas, which cannot be read back; nothing is read back here.
            warnings.simplefilter("ignore")
            serialized = keras.saving.serialize_keras_object(model)
    except (NotImplementedError, TypeError, ValueError):
        return ""
    compiled = model.get_compile_config() or {}
    optimizer = compiled.get("optimizer")
    if isinstance(optimizer, dict) and not isinstance(optimizer["config"].get("learning_rate"), dict):
        # A variable of the optimizer's; a schedule is part of the program.
        optimizer["config"].pop("learning_rate", None)
    described = {
        "model": {**serialized, "compile_config": None},
        "compiled": compiled,
        "shapes": [(tuple(variable.shape), variable.dtype) for part in state_variables(model) for variable in part],
        "constants": [
            [read_variable(weight).tolist() for weight in layer.weights] for layer in layers_with_constants(model)
        ],
        # Beyond its configuration, such as what `exclude_from_weight_decay` was told.
        "settings": {
            name: repr(value) for name, value in vars(model.optimizer).items() if isinstance(value, _SETTINGS)
        },
    }
    return json.dumps(described, default=str) if _is_of_keras(described) else ""


def _is_of_keras(described: Any) -> bool:
    if isinstance(described, dict):
        # A lambda is its byte code, without what it closes over.
        module, is_lambda = described.get("module"), isinstance(described.get("value"), list | tuple)
        is_own = is_lambda or (module is not None and not _is_keras_module(module))
        return not is_own and all(map(_is_of_keras, described.values()))
    if isinstance(described, list | tuple):
        return all(map(_is_of_keras, described))
    return described is None or isinstance(described, str | int | float | bool)


def _is_keras_module(name: str) -> bool:
    return name.partition(".")[0] == "keras"
