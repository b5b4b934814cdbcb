"""Aboueloula, Benserhier and Zrira, "Recognizing Digits using Neural Networks", 2020: a perceptron, and two CNNs.

What the report has otherwise than the recipes, or wrong:

- The perceptron's 94.7 % by 10-fold cross-validation is of one epoch: Keras' wrapper for scikit-learn let `nb_epoch`
  pass, and ignored it. So its grid had 24 different points, not 48, each trained for one epoch. In that grid `nodes`
  are layers, and `layer` is the number of neurons. Epochs are no hyperparameter here, as they are the study's budget:
  give two studies different `search.epochs`.
- The first CNN is known by its summary alone; optimizer and loss are those of the experiment that follows it, the batch
  size is Keras' default.
- The code of the final CNN makes six `BatchNormalization` that it adds nowhere: 499,378 weights, as in the summary,
  have four.
- Its factors were chosen by accuracy on the test set. The values tried for batch size, dense layers, neurons and
  dropout stand in figures that are not in the text: the text's are kept, the others are ours.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces.compile_settings import LOSSES
from tuner.spaces.reports.layers import convolve, halve
from tuner.spaces.reports.training import PARAMETERS, Recipe, ask, compile_model, make_optimizer

#: Optimizers by the learning rate that the report's range test found best.
_BEST_RATES: Mapping[float, Sequence[str]] = {
    0.01: ("rmsprop", "nadam", "adam"),
    0.1: ("sgd", "adagrad"),
    1.0: ("adadelta",),
}
_KERNEL_SIZE = "Side of every convolution's kernel, in pixels."
_POOLING = "What halves the picture after a convolution."


def build_ann(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build 784-397-397-10 on pixels in [-0.5, 0.5]."""
    hidden_layers = hp.Int("hidden_layers", 2, 4, default=2)
    units = ask(hp, "units", (64, 397), default=397)
    initializer = ask(hp, "kernel_initializer", ("glorot_uniform", "uniform"), default="glorot_uniform")

    inputs = keras.Input(images.shape)
    x = keras.layers.Flatten()(keras.layers.Rescaling(1.0, offset=-0.5)(inputs))
    for _ in range(hidden_layers):
        x = keras.layers.Dense(units, activation="relu", kernel_initializer=initializer)(x)
    outputs = keras.layers.Dense(images.n_classes, activation="softmax", kernel_initializer=initializer)(x)
    model = keras.Model(inputs, outputs, name="recognizing_digits_ann")

    ask(hp, "batch_size", (32, 64), default=32)
    optimizer = ask(hp, "optimizer", ("adam", "rmsprop"), default="adam")
    return compile_model(
        model,
        make_optimizer(optimizer, hp.Fixed("learning_rate", 0.001)),
        hp.Fixed("loss", "categorical_crossentropy"),
    )


def build_first_cnn(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build one convolution of 32 filters of 5x5 pixels, average pooling, and a dense layer of 20."""
    kernel_size = ask(hp, "kernel_size", (3, 5, 7), default=5)
    pooling = ask(hp, "pooling", ("average", "max"), default="average")

    inputs = keras.Input(images.shape)
    x = keras.layers.ReLU()(convolve(inputs, 32, kernel_size, padding="valid"))
    x = keras.layers.Flatten()(halve(x, pooling))
    x = keras.layers.Dense(20, activation="relu")(x)
    outputs = keras.layers.Dense(images.n_classes, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name="recognizing_digits_first_cnn")

    hp.Fixed("batch_size", 32)
    optimizer = make_optimizer(hp.Fixed("optimizer", "adam"), hp.Fixed("learning_rate", 0.001))
    return compile_model(model, optimizer, hp.Fixed("loss", "categorical_crossentropy"))


def build_cnn(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build the final CNN: 64 and 128 filters of 3x3 pixels, LeakyReLU, a dense layer of 128."""
    batch_normalization = hp.Boolean("batch_normalization", default=True)
    dropout = hp.Float("dropout", 0.0, 0.5, step=0.1, default=0.2)

    inputs = keras.Input(images.shape)
    x = keras.layers.Flatten()(_convolve(inputs, hp, dropout))
    if batch_normalization:
        x = keras.layers.BatchNormalization()(x)
    x = _hidden_layers(x, hp, batch_normalization=batch_normalization, dropout=dropout)
    x = keras.layers.Dense(images.n_classes, kernel_initializer="uniform")(x)
    if batch_normalization:
        x = keras.layers.BatchNormalization()(x)
    outputs = keras.layers.Activation("softmax")(x)
    model = keras.Model(inputs, outputs, name="recognizing_digits_cnn")

    ask(hp, "batch_size", (32, 64, 128, 256, 512), default=256)
    optimizer = ask(hp, "optimizer", [name for names in _BEST_RATES.values() for name in names], default="adam")
    for rate, names in _BEST_RATES.items():
        with hp.conditional_scope("optimizer", list(names)):
            hp.Float("learning_rate", 1e-6, 100.0, sampling="log", default=rate)
    loss = ask(hp, "loss", list(LOSSES), default="categorical_crossentropy")
    return compile_model(model, make_optimizer(optimizer, hp.get("learning_rate")), loss)


def _convolve(x: Any, hp: keras_tuner.HyperParameters, dropout: float) -> Any:
    blocks = hp.Int("blocks", 1, 3, default=2)
    filters = ask(hp, "filters", (8, 16, 32, 64, 128, 256), default=64)
    kernel_size = ask(hp, "kernel_size", (3, 5, 7), default=3)
    pooling = ask(hp, "pooling", ("max", "average"), default="max")
    activation = _choose_activation(hp)
    for block in range(blocks):
        x = activation()(convolve(x, filters * 2**block, kernel_size, padding="valid"))
        x = keras.layers.Dropout(dropout)(halve(x, pooling))
    return x


def _choose_activation(hp: keras_tuner.HyperParameters) -> Any:
    name = ask(hp, "activation", ("relu", "leaky_relu"), default="leaky_relu")
    with hp.conditional_scope("activation", ["leaky_relu"]):
        slope = hp.Float("negative_slope", 0.01, 0.3, sampling="log", default=0.08)
    if name == "relu":
        return keras.layers.ReLU
    return partial(keras.layers.LeakyReLU, negative_slope=slope)


def _hidden_layers(x: Any, hp: keras_tuner.HyperParameters, *, batch_normalization: bool, dropout: float) -> Any:
    layers = hp.Int("dense_layers", 0, 3, default=1)
    with hp.conditional_scope("dense_layers", [1, 2, 3]):
        units = ask(hp, "dense_units", (32, 64, 128, 256, 512), default=128)
    for _ in range(layers):
        x = keras.layers.Dense(units, kernel_initializer="uniform")(x)
        if batch_normalization:
            x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Dropout(dropout)(keras.layers.ReLU()(x))
        if batch_normalization:
            x = keras.layers.BatchNormalization()(x)
    return x


#: By the names of `tuner.spaces.registry`.
RECIPES: Mapping[str, Recipe] = {
    "recognizing-digits-ann": Recipe(
        build=build_ann,
        parameters={
            "hidden_layers": "Dense layers between the pixels and the class probabilities; the grid's nodes plus 1.",
            "units": "Neurons of each hidden layer; the grid's layer.",
            "kernel_initializer": "Keras' default, or the uniform distribution of the cross-validation and the grid.",
            **PARAMETERS,
        },
    ),
    "recognizing-digits-first-cnn": Recipe(
        build=build_first_cnn,
        parameters={"kernel_size": _KERNEL_SIZE, "pooling": _POOLING, **PARAMETERS},
    ),
    "recognizing-digits-cnn": Recipe(
        build=build_cnn,
        parameters={
            "blocks": "Pairs of convolution and pooling.",
            "filters": "Filters of the first convolution; each later one has twice as many.",
            "kernel_size": _KERNEL_SIZE,
            "pooling": _POOLING,
            "activation": "Non-linearity after each convolution; after a dense layer it is relu.",
            "negative_slope": "Slope of leaky_relu below zero.",
            "batch_normalization": "Normalize before, within and after the dense layers, in the four places trained.",
            "dense_layers": "Hidden dense layers between the last convolution and the class probabilities.",
            "dense_units": "Neurons of each hidden dense layer.",
            "dropout": "Share of outputs that is set to zero in training, after each pooling and dense layer.",
            **PARAMETERS,
        },
    ),
}
