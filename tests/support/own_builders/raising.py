"""Builders and fits that raise in one place each: build, a layer, a loss, a step, `fit`; all for 8x8 digits."""

import json
from typing import Any

import keras
import keras_tuner
import tensorflow as tf


def net(*layers: keras.layers.Layer, loss: Any = "sparse_categorical_crossentropy") -> keras.Model:
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), *layers])
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile("sgd", loss, metrics=["accuracy"])
    return model


def in_build(_hp: Any) -> keras.Model:
    raise ValueError("no such layer")


def empty_key(_hp: Any) -> keras.Model:
    widths: dict[str, keras.Model] = {}
    return widths[""]


class _UnspeakableError(Exception):
    def __str__(self) -> str:
        raise TypeError


def unspeakable(_hp: Any) -> Any:
    raise _UnspeakableError


def without_text(_hp: Any) -> keras.Model:
    raise RuntimeError


def many_lines(_hp: Any) -> keras.Model:
    raise ValueError("\n\nThe widths do not fit:\n  64, 32\n")


def in_json(_hp: Any) -> keras.Model:
    model: keras.Model = json.loads("{broken")
    return model


def wrong_reshape(_hp: Any) -> keras.Model:
    return net(keras.layers.Reshape((5, 5)))


class Raises(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:  # noqa: ARG002 - Keras passes it by name
        raise ValueError("broken layer")


def in_layer(_hp: Any) -> keras.Model:
    return net(Raises())


class RaisesInTraining(keras.layers.Layer):
    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002 - Keras passes it so
        if training:
            raise ValueError("broken in training")
        return inputs


def in_training_layer(_hp: Any) -> keras.Model:
    return net(RaisesInTraining())


def graph_loss(_truth: Any, guess: Any) -> Any:
    if not tf.executing_eagerly():
        raise ValueError("broken loss")
    return tf.reduce_mean(guess)


def in_loss(_hp: Any) -> keras.Model:
    return net(loss=graph_loss)


def reshaping_loss(_truth: Any, guess: Any) -> Any:
    return tf.reshape(guess, (3, 3, 3))


def in_loss_shape(_hp: Any) -> keras.Model:
    return net(loss=reshaping_loss)


def python_loss(_truth: Any, guess: Any) -> Any:
    def look(values: Any) -> float:
        if len(values) > 1:
            raise LookupError("broken in Python")
        return 0.0

    return tf.reduce_mean(tf.py_function(look, [guess], tf.float32)) + tf.reduce_mean(guess)


def in_python_function(_hp: Any) -> keras.Model:
    return net(loss=python_loss)


class InFit(keras_tuner.HyperModel):
    def build(self, _hp: Any) -> keras.Model:
        return net()

    def fit(self, _hp: Any, _model: keras.Model, *_arguments: Any, **_options: Any) -> Any:
        first, _ = {}.get("validation_data")  # type: ignore[misc]
        return first


class OtherShape(InFit):
    def fit(self, _hp: Any, model: keras.Model, x: Any = None, y: Any = None, **options: Any) -> Any:
        return model.fit(x[:, :4], y, **options)


class OtherLabels(InFit):
    def fit(self, _hp: Any, model: keras.Model, x: Any = None, y: Any = None, **options: Any) -> Any:
        return model.fit(x, y + 20, **options)
