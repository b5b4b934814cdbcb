"""A builder for processes that tests start: a dense net of any width."""

import keras
import keras_tuner
from keras import layers


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Return 64-width-10; its width is the only hyperparameter, and the larger one takes 100 GB."""
    width = hp.Choice("width", [32, 400_000_000])
    stack = [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(width, activation="relu")]
    model = keras.Sequential([*stack, layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
