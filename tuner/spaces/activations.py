"""The activation that all hidden layers of a model share."""

from collections.abc import Callable, Mapping
from functools import partial

import keras
import keras_tuner

#: What each hyperparameter asked here is for.
PARAMETERS: Mapping[str, str] = {
    "activation": "Non-linearity after every hidden layer.",
    "negative_slope": "Slope of leaky_relu below zero.",
}


def choose_activation(hp: keras_tuner.HyperParameters) -> Callable[[], keras.layers.Layer]:
    """Ask an activation and return what makes one layer of it."""
    name = hp.Choice("activation", ["relu", "leaky_relu", "elu", "gelu"], default="relu")
    with hp.conditional_scope("activation", ["leaky_relu"]):
        negative_slope = hp.Float("negative_slope", 0.01, 0.3, sampling="log", default=0.1)
    if name == "leaky_relu":
        return partial(keras.layers.LeakyReLU, negative_slope=negative_slope)
    return partial(keras.layers.Activation, name)
