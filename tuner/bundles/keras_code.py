"""A compiled functional Keras model as the Python code that builds it, with the values that are no defaults."""

import inspect
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

#: Of a layer's config, what the layer's own call does not need.
_LEFT_OUT = frozenset({"name", "trainable"})
NO_NAMES: Mapping[int, str] = {}
#: Written although it may be the default: what a search is about.
_ALWAYS = frozenset({"learning_rate"})


class NotPlainError(Exception):
    """The model is not made of Keras' own layers in one graph; the message says what is in the way."""


def model_code(model: keras.Model) -> Iterator[str]:
    """Yield the lines that build a functional model of Keras' own layers: `inputs = …`, …, `model = …`.

    Raises:
        NotPlainError: It is no such model.
    """
    if not isinstance(model, keras.models.Model) or not getattr(model, "operations", None):
        raise NotPlainError("it is a subclass of keras.Model")
    yield from graph_code(model.operations, output=model.outputs[0])
    yield f"model = keras.Model(inputs, outputs, name={_literal(model.name)})"


def graph_code(
    operations: Sequence[Any], *, output: Any, given: Mapping[int, str] = NO_NAMES, last: str = "outputs"
) -> Iterator[str]:
    """Yield the lines that compute a tensor by Keras' own layers: `inputs = …`, … , `outputs = …`.

    Args:
        operations: The layers and functions of Keras, each after those whose tensors it takes.
        output: The tensor of the last one.
        given: By the id of a tensor that is there already, what it is called.
        last: What `output` is called.

    Raises:
        NotPlainError: One is no layer of Keras', or called several times.
    """
    consumers = _count_consumers(operations)
    names, layers = dict(given), list(operations)
    for position, layer in enumerate(layers):
        tensor = layer.output
        if isinstance(layer, keras.layers.InputLayer):
            names[id(tensor)] = "inputs"
            yield f"inputs = keras.Input({_literal(tuple(tensor.shape[1:]))})"
            continue
        taken = _inputs_of(layer)
        wanted = ", ".join(names[id(one)] for one in taken)
        argument = f"[{wanted}]" if len(taken) > 1 else wanted
        if tensor is output:
            name = last
        else:
            following = layers[position + 1] if position + 1 < len(layers) else None
            is_chain = consumers[id(tensor)] == 1 and following is not None and tensor in _inputs_of(following)
            name = "x" if is_chain else f"branch_{sum(one.startswith('branch') for one in names.values()) + 1}"
        names[id(tensor)] = name
        if type(layer).__name__ == "Flip":
            # Of the functions, the one that a space here uses.
            yield f"{name} = keras.ops.flip({argument}, axis={layer.axis})"
        else:
            yield f"{name} = {call_code(layer, 'keras.layers')}({argument})"


def compile_code(model: keras.Model, *, optimizer_call: str | None = None, not_decayed: str = "") -> Iterator[str]:
    """Yield the lines that compile the model with its optimizer, its loss and accuracy.

    Args:
        model: The model.
        optimizer_call: What makes its optimizer, where that is of no class of Keras.
        not_decayed: The first argument, with a comma, of what weight decay leaves alone beside names.
    """
    optimizer = model.optimizer
    yield f"optimizer = {optimizer_call or call_code(optimizer, 'keras.optimizers')}"
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    if pattern is not None and optimizer.weight_decay:
        # Keras keeps the names that it was given as one pattern.
        names = ", ".join(map(_literal, sorted(pattern.pattern.split("|"))))
        yield f"optimizer.exclude_from_weight_decay({not_decayed}var_names=[{names}])"
    loss = _literal(model.loss) if isinstance(model.loss, str) else call_code(model.loss, "keras.losses")
    yield f'model.compile(optimizer=optimizer, loss={loss}, metrics=["accuracy"])'


def call_code(value: Any, module: str) -> str:
    """Return the call that makes an equal layer, optimizer or loss of Keras.

    Raises:
        NotPlainError: Its class is not of that module.
    """
    kind = type(value)
    if getattr(keras, module.partition(".")[2]).__dict__.get(kind.__name__) is not kind:
        raise NotPlainError(f"it has {kind.__module__}.{kind.__name__}")
    config = value.get_config()
    parameters = inspect.signature(kind.__init__).parameters.values()
    required = [one.name for one in parameters if one.name in config and one.default is inspect.Parameter.empty]
    usual = kind(**{name: config[name] for name in required}).get_config()
    changed = {
        name: given
        for name, given in config.items()
        if name not in {*_LEFT_OUT, *required} and (given != usual.get(name) or name in _ALWAYS)
    }
    arguments = [_literal(config[name]) for name in required]
    return f"{module}.{kind.__name__}({', '.join([*arguments, *(f'{n}={_literal(v)}' for n, v in changed.items())])})"


def _count_consumers(operations: Sequence[Any]) -> Counter[int]:
    return Counter(
        id(tensor)
        for layer in operations
        if not isinstance(layer, keras.layers.InputLayer)
        for tensor in _inputs_of(layer)
    )


def _inputs_of(layer: Any) -> list[Any]:
    """Return the tensors that a layer takes, which must have been called once."""
    is_flip = isinstance(layer, keras.Operation) and type(layer).__name__ == "Flip"
    if not (isinstance(layer, keras.layers.Layer) or is_flip) or isinstance(layer, keras.Model):
        raise NotPlainError(f"it has {type(layer).__name__}, which is no single layer")
    if isinstance(layer, keras.layers.InputLayer):
        return []
    if len(layer._inbound_nodes) != 1:  # noqa: SLF001 - Keras has no public way to the calls of a layer
        raise NotPlainError(f"it calls {layer.name} several times")
    return list(keras.tree.flatten(layer.input))


def text_of(value: str) -> str:
    """Return a text as a literal of Python."""
    return _literal(value)


def _literal(value: Any) -> str:
    """Return a value of a config as a person would write it."""
    if isinstance(value, Mapping) and "class_name" in value:
        return _object_code(value)
    if isinstance(value, float):
        # A float32 that was read back has digits that nobody wrote.
        return repr(float(str(np.float32(value))) if value == float(np.float32(value)) else value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        items = [_literal(one) for one in value]
        if len(value) == 2 and value[0] == value[1] and isinstance(value[0], int):  # noqa: PLR2004 - height and width
            return items[0]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    return repr(value)


def _object_code(value: Mapping[str, Any]) -> str:
    """Return an initializer, regularizer or the like by its name where that is enough, else as a call."""
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in value["class_name"]).lstrip("_")
    if value.get("module") == "keras.initializers":
        by_name = keras.initializers.serialize(keras.initializers.get(name))
        if by_name["config"] == value["config"]:
            return _literal(name)
    if str(value.get("module", "")).partition(".")[0] != "keras":
        raise NotPlainError(f"it has {value.get('module')}.{value['class_name']}")
    if value["class_name"] == "DTypePolicy":
        return _literal(value["config"]["name"])
    settings = ", ".join(f"{key}={_literal(one)}" for key, one in value["config"].items())
    return f"{value['module']}.{value['class_name']}({settings})"
