"""Fontaine, "Deep learning - KMNIST", 2022: a perceptron, a convolutional net and ResNet-34 for Kuzushiji-MNIST.

What the report has otherwise than the recipes, or wrong:

- The net called CNN has no hidden dense layers: the lines that add 128 and 64 neurons go into the perceptron
  (`model1.add`), and the summary that was trained, 540,298 weights, has two dropouts in a row. `dense_layers = 2` is
  the net that text and code meant, 821,194 weights.
- ResNet-34's residual unit is not shown; it is Géron's, as its text says, and the weights of each unit agree. Its
  convolutions have Keras' default initializer, where the family `resnet` has He's.
- "Relu & softmax" under the activations that were tested are those of the hidden layers and of the last one.
- The table of its validation split is headed "Testing images".
"""

from collections.abc import Mapping
from functools import partial

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces.reports.layers import convolve, halve
from tuner.spaces.reports.training import PARAMETERS, Recipe, ask, compile_model, make_optimizer
from tuner.spaces.resnet import resnet34

_OPTIMIZERS = ("sgd", "adagrad", "rmsprop", "adam")
_LEARNING_RATES = (0.01, 0.001)
_DENSE_UNITS = (128, 64)


def build_mlp(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build 784-100-100-10, with Adagrad."""
    hidden_layers = hp.Int("hidden_layers", 1, 2, default=2)
    units = ask(hp, "units", (10, 50, 100), default=100)

    inputs = keras.Input(images.shape)
    x = keras.layers.Flatten()(inputs)
    for _ in range(hidden_layers):
        x = keras.layers.Dense(units, activation="relu")(x)
    outputs = keras.layers.Dense(images.n_classes, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name="kmnist_report_mlp")
    return _compile(model, hp, optimizers=_OPTIMIZERS, optimizer="adagrad", rate=0.01, batch_sizes=(16, 32, 64))


def build_cnn(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build the net of the report's summary: four convolutions, dropout twice, no hidden dense layer."""
    dense_layers = hp.Fixed("dense_layers", 0)

    x = inputs = keras.Input(images.shape)
    for block in ((64,), (128, 128), (256,)):
        for filters in block:
            x = keras.layers.ReLU()(convolve(x, filters, 3))
        x = halve(x)
    x = keras.layers.Flatten()(x)
    for position, units in enumerate(_DENSE_UNITS):
        if position < dense_layers:
            x = keras.layers.Dense(units, activation="relu")(x)
        x = keras.layers.Dropout(0.5)(x)
    outputs = keras.layers.Dense(images.n_classes, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name="kmnist_report_cnn")
    return _compile(model, hp, optimizers=_OPTIMIZERS, optimizer="adam", rate=0.001)


def build_resnet34(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build ResNet-34 with a 7x7 stem."""
    inputs = keras.Input(images.shape)
    x = resnet34(inputs, partial(keras.layers.Activation, "relu"), kernel_initializer="glorot_uniform")
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(images.n_classes, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name="kmnist_report_resnet34")
    return _compile(model, hp, optimizers=("adam",), optimizer="adam", rate=0.01)


def _compile(
    model: keras.Model,
    hp: keras_tuner.HyperParameters,
    *,
    optimizers: tuple[str, ...],
    optimizer: str,
    rate: float,
    batch_sizes: tuple[int, ...] = (32,),
) -> keras.Model:
    ask(hp, "batch_size", batch_sizes, default=32)
    chosen = ask(hp, "optimizer", optimizers, default=optimizer)
    learning_rate = ask(hp, "learning_rate", _LEARNING_RATES, default=rate)
    loss = hp.Fixed("loss", "categorical_crossentropy")
    return compile_model(model, make_optimizer(chosen, learning_rate), loss)


#: By the names of `tuner.spaces.registry`.
RECIPES: Mapping[str, Recipe] = {
    "kmnist-report-mlp": Recipe(
        build=build_mlp,
        parameters={
            "hidden_layers": "Dense layers between the pixels and the class probabilities.",
            "units": "Neurons of each hidden layer.",
            **PARAMETERS,
        },
    ),
    "kmnist-report-cnn": Recipe(
        build=build_cnn,
        parameters={
            "dense_layers": "Hidden dense layers: 0 were trained, 2 (of 128 and 64 neurons) were meant.",
            **PARAMETERS,
        },
    ),
    "kmnist-report-resnet34": Recipe(build=build_resnet34, parameters=PARAMETERS),
}
