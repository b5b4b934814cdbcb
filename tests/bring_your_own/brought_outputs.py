"""Outputs, losses and metrics as people compile them: nets for grey 8x8 pictures of ten classes, or of two."""

from typing import Any

import keras
import keras_tuner
from keras import layers, ops

HP = keras_tuner.HyperParameters
SHAPE = (8, 8, 1)
CLASSES = 10


def _net(hp: HP, *, outputs: int = CLASSES, activation: str | None = "softmax") -> keras.Model:
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Flatten(),
            layers.Dense(hp.Int("units", 32, 64, step=16), "relu"),
            layers.Dense(outputs, activation),
        ]
    )


def _compiled(model: keras.Model, loss: Any = "sparse_categorical_crossentropy", **settings: Any) -> keras.Model:
    settings = {"optimizer": keras.optimizers.Adam(0.01), "metrics": ["accuracy"]} | settings
    model.compile(loss=loss, **settings)
    return model


# Losses.


def sparse(hp: HP) -> keras.Model:
    return _compiled(_net(hp))


def one_hot(hp: HP) -> keras.Model:
    return _compiled(_net(hp), "categorical_crossentropy")


def label_smoothing(hp: HP) -> keras.Model:
    return _compiled(
        _net(hp), keras.losses.CategoricalCrossentropy(label_smoothing=0.1), metrics=["categorical_accuracy"]
    )


def sparse_logits(hp: HP) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _compiled(_net(hp, activation=None), loss)


def one_hot_logits(hp: HP) -> keras.Model:
    return _compiled(_net(hp, activation=None), keras.losses.CategoricalCrossentropy(from_logits=True))


def own_loss_on_logits(hp: HP) -> keras.Model:
    def loss(y_true: Any, y_pred: Any) -> Any:
        return ops.sparse_categorical_crossentropy(ops.reshape(y_true, (-1,)), y_pred, from_logits=True)

    return _compiled(_net(hp, activation=None), loss, metrics=["sparse_categorical_accuracy"])


def focal_on_one_hot(hp: HP) -> keras.Model:
    return _compiled(_net(hp), keras.losses.CategoricalFocalCrossentropy())


def own_loss_on_one_hot(hp: HP) -> keras.Model:
    def loss(y_true: Any, y_pred: Any) -> Any:
        return -ops.sum(y_true * ops.log(ops.clip(y_pred, 1e-7, 1.0)), axis=-1)

    return _compiled(_net(hp), loss)


def squared_error(hp: HP) -> keras.Model:
    return _compiled(_net(hp), "mse")


def ten_sigmoids(hp: HP) -> keras.Model:
    return _compiled(_net(hp, activation="sigmoid"), "binary_crossentropy")


def divergence(hp: HP) -> keras.Model:
    return _compiled(_net(hp), "kl_divergence")


# Metrics.


def metric_of_own_name(hp: HP) -> keras.Model:
    return _compiled(_net(hp), metrics=[keras.metrics.SparseCategoricalAccuracy(name="share_right")])


def one_hot_metrics_of_own_names(hp: HP) -> keras.Model:
    metrics = [keras.metrics.AUC(name="area"), keras.metrics.CategoricalAccuracy(name="top_one")]
    return _compiled(_net(hp), "categorical_crossentropy", metrics=metrics)


def top_three_first(hp: HP) -> keras.Model:
    return _compiled(_net(hp), metrics=[keras.metrics.SparseTopKCategoricalAccuracy(k=3), "accuracy"])


def weighted_metrics(hp: HP) -> keras.Model:
    return _compiled(_net(hp), metrics=None, weighted_metrics=["accuracy"])


def no_metrics(hp: HP) -> keras.Model:
    return _compiled(_net(hp), metrics=[])


def only_top_three(hp: HP) -> keras.Model:
    return _compiled(_net(hp), metrics=[keras.metrics.SparseTopKCategoricalAccuracy(k=3)])


def only_area(hp: HP) -> keras.Model:
    return _compiled(_net(hp), "categorical_crossentropy", metrics=[keras.metrics.AUC()])


# Outputs that do not fit.


def seven_outputs(hp: HP) -> keras.Model:
    return _compiled(_net(hp, outputs=7))


def eleven_outputs_without_input(hp: HP) -> keras.Model:
    units = hp.Int("units", 8, 16, step=8)
    return _compiled(keras.Sequential([layers.Flatten(), layers.Dense(units), layers.Dense(11, "softmax")]))


def one_sigmoid(hp: HP) -> keras.Model:
    return _compiled(_net(hp, outputs=1, activation="sigmoid"), "binary_crossentropy")


def two_outputs(hp: HP) -> keras.Model:
    inputs = keras.Input(SHAPE)
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8), "relu")(layers.Flatten()(inputs))
    heads = [layers.Dense(CLASSES, "softmax", name=name)(hidden) for name in ("digit", "again")]
    model = keras.Model(inputs, heads)
    model.compile("adam", ["sparse_categorical_crossentropy"] * 2, metrics=[["accuracy"], ["accuracy"]])
    return model


def dictionary_of_outputs(hp: HP) -> keras.Model:
    inputs = keras.Input(SHAPE)
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8), "relu")(layers.Flatten()(inputs))
    model = keras.Model(inputs, {"digit": layers.Dense(CLASSES, "softmax")(hidden)})
    model.compile("adam", {"digit": "sparse_categorical_crossentropy"}, metrics={"digit": "accuracy"})
    return model


def map_of_outputs(hp: HP) -> keras.Model:
    model = keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(CLASSES, hp.Choice("size", [1, 3]), activation="softmax")]
    )
    return _compiled(model)


# Inputs that do not fit.


def larger_pictures(hp: HP) -> keras.Model:
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8))
    return _compiled(
        keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), hidden, layers.Dense(CLASSES, "softmax")])
    )


def colour_pictures(hp: HP) -> keras.Model:
    convolution = layers.Conv2D(hp.Int("filters", 4, 8, step=4), 3)
    return _compiled(
        keras.Sequential([keras.Input((8, 8, 3)), convolution, layers.Flatten(), layers.Dense(CLASSES, "softmax")])
    )


def flat_pixels(hp: HP) -> keras.Model:
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8))
    return _compiled(keras.Sequential([keras.Input((64,)), hidden, layers.Dense(CLASSES, "softmax")]))


def two_inputs(hp: HP) -> keras.Model:
    picture, other = keras.Input(SHAPE), keras.Input((3,))
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8))(layers.Concatenate()([layers.Flatten()(picture), other]))
    return _compiled(keras.Model([picture, other], layers.Dense(CLASSES, "softmax")(hidden)))


# What is no compiled model.


def uncompiled(hp: HP) -> keras.Model:
    return _net(hp)


def nothing(hp: HP) -> None:
    hp.Int("units", 8, 16)


def a_layer(hp: HP) -> keras.layers.Layer:
    return layers.Dense(hp.Int("units", 8, 16))


def raises(hp: HP) -> keras.Model:
    raise ValueError(f"no such layer as {hp.Int('units', 8, 16)}")
