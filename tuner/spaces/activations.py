"""The activation, the same in all hidden layers of a model."""

from collections.abc import Callable, Mapping
from functools import partial

import keras
import keras_tuner

#: The purpose of each hyperparameter that is asked here.
PARAMETERS: Mapping[str, str] = {
    "activation": "Non-linearity after each hidden layer.",
    "negative_slope": "Slope of leaky_relu below zero.",
}


def choose_activation(hp: keras_tuner.HyperParameters) -> Callable[[], keras.layers.Layer]:
    """Ask an activation and return a function that makes a layer of it."""
    name = hp.Choice("activation", ["relu", "leaky_relu", "elu", "gelu"], default="relu")
    with hp.conditional_scope("activation", ["leaky_relu"]):
        negative_slope = hp.Float("negative_slope", 0.01, 0.3, sampling="log", default=0.1)
    if name == "leaky_relu":
        return partial(keras.layers.LeakyReLU, negative_slope=negative_slope)
    return partial(keras.layers.Activation, name)
