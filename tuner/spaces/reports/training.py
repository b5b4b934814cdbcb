"""What a recipe is, and how its model is compiled as the report says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces.compile_settings import LOSSES, OPTIMIZERS
from tuner.spaces.space import BATCH_SIZE

#: The purpose of each hyperparameter that is asked here.
PARAMETERS: Mapping[str, str] = {
    BATCH_SIZE: "Images per step of the optimizer.",
    "optimizer": "Rule that turns gradients into steps, with Keras' defaults; sgd is without momentum.",
    "learning_rate": "Size of the first steps.",
    "loss": "What training minimizes; the losses have equal gradients.",
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One net of a report."""

    #: Asks `hp` for hyperparameters and returns a compiled model, as a family's `build` does.
    build: Callable[[keras_tuner.HyperParameters, ImageFormat], keras.Model]
    #: The purpose of each hyperparameter.
    parameters: Mapping[str, str]


def ask(hp: keras_tuner.HyperParameters, name: str, values: Sequence[Any], *, default: Any = None) -> Any:
    """Ask one of the values that a report names; a single one is fixed, not searched.

    Args:
        hp: The questioner.
        name: The hyperparameter's.
        values: That were tried.
        default: That was trained; the single value without it.
    """
    if len(values) == 1:
        return hp.Fixed(name, values[0])
    return hp.Choice(name, list(values), default=default)


def compile_model(model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: str) -> keras.Model:
    """Return the model compiled with this loss of `LOSSES`, and with accuracy.

    Raises:
        ValueError: There is no such loss.
    """
    model.compile(optimizer=optimizer, loss=_look_up(LOSSES, "loss", loss)(), metrics=["accuracy"])
    return model


def make_optimizer(name: str, learning_rate: float) -> keras.optimizers.Optimizer:
    """Return an optimizer with Keras' defaults.

    Raises:
        ValueError: There is none of that name.
    """
    optimizer: keras.optimizers.Optimizer = _look_up(OPTIMIZERS, "optimizer", name)(learning_rate=learning_rate)
    return optimizer


def _look_up(table: Mapping[str, Any], kind: str, name: str) -> Any:
    if name not in table:
        raise ValueError(f"Received {kind} = {name!r}, expected one of {', '.join(table)}.")
    return table[name]
