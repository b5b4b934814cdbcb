"""Builders for 8x8 digits of which each has one thing that is not as usual."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

SHAPE, N = (8, 8, 1), 10


def _compiled(model: keras.Model, **changes: Any) -> keras.Model:
    settings = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    model.compile(**(settings | changes))
    return model


def _net(*first: layers.Layer, units: int = N, activation: str | None = "softmax", **changes: Any) -> keras.Model:
    last = layers.Dense(units, activation)
    return _compiled(keras.Sequential([keras.Input(SHAPE), *first, layers.Flatten(), last]), **changes)


def _no_hyperparameter(build: Callable[[], keras.Model]) -> Callable[[Any], keras.Model]:
    return lambda _hp: build()


# What is measured.


def error_rate(y_true: Any, y_pred: Any) -> Any:
    return 1.0 - keras.metrics.sparse_categorical_accuracy(y_true, y_pred)


def share_right(y_true: Any, y_pred: Any) -> Any:
    return keras.metrics.sparse_categorical_accuracy(y_true, y_pred)


class OwnStep(keras.Model):
    """Measures by a `train_step` and a `test_step` of its own, with a metric that is not compiled."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.right = keras.metrics.SparseCategoricalAccuracy(name="right")

    def train_step(self, *arguments: Any) -> Any:
        return super().train_step(*arguments)


def measuring(metrics: Any, **changes: Any) -> keras.Model:
    return _net(metrics=metrics, **changes)


no_metrics = _no_hyperparameter(lambda: measuring([]))
misspelt = _no_hyperparameter(lambda: measuring(["accurracy"]))
auc_alone = _no_hyperparameter(lambda: measuring([keras.metrics.AUC(name="area")], loss="categorical_crossentropy"))

# What comes out.

logits = _no_hyperparameter(
    lambda: _net(activation=None, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
)
binary_logits = _no_hyperparameter(
    lambda: _net(activation=None, loss=keras.losses.BinaryCrossentropy(from_logits=True))
)
sigmoids = _no_hyperparameter(lambda: _net(activation="sigmoid", loss="binary_crossentropy"))
own_loss_on_logits = _no_hyperparameter(
    lambda: _net(activation=None, loss=lambda y, p: keras.losses.categorical_crossentropy(y, p, from_logits=True))
)
probabilities = _no_hyperparameter(_net)
one_sigmoid = _no_hyperparameter(lambda: _net(units=1, activation="sigmoid", loss="binary_crossentropy"))
too_few = _no_hyperparameter(lambda: _net(units=7))
too_few_without_input = _no_hyperparameter(
    lambda: _compiled(keras.Sequential([layers.Flatten(), layers.Dense(7, "softmax")]))
)
not_flat = _no_hyperparameter(lambda: _compiled(keras.Sequential([keras.Input(SHAPE), layers.Dense(N, "softmax")])))


def _functional(outputs: Callable[[Any], Any], **changes: Any) -> keras.Model:
    image = keras.Input(SHAPE)
    return _compiled(keras.Model(image, outputs(layers.Flatten()(image))), **changes)


dictionary = _no_hyperparameter(lambda: _functional(lambda x: {"digit": layers.Dense(N, "softmax")(x)}))
two_outputs = _no_hyperparameter(
    lambda: _functional(lambda x: [layers.Dense(N, "softmax")(x), layers.Dense(2, "softmax")(x)], metrics=None)
)
list_of_one = _no_hyperparameter(lambda: _functional(lambda x: [layers.Dense(N, "softmax")(x)]))

# What goes in.


def two_inputs(_hp: Any) -> keras.Model:
    image, more = keras.Input(SHAPE), keras.Input((3,))
    x = layers.Concatenate()([layers.Flatten()(image), more])
    return _compiled(keras.Model([image, more], layers.Dense(N, "softmax")(x)))


def _of_shape(*shape: int) -> keras.Model:
    return _compiled(keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(N, "softmax")]))


other_size = _no_hyperparameter(lambda: _of_shape(28, 28, 1))
flat = _no_hyperparameter(lambda: _of_shape(64))
colour = _no_hyperparameter(lambda: _of_shape(8, 8, 3))
without_channel = _no_hyperparameter(lambda: _of_shape(8, 8))
scaled_twice = _no_hyperparameter(lambda: _net(layers.Rescaling(1 / 255)))
scaled_twice_flat = _no_hyperparameter(lambda: _net(layers.Flatten(), layers.Rescaling(1 / 255)))
scaled_twice_within = _no_hyperparameter(
    lambda: _net(keras.Sequential([layers.RandomFlip(), layers.Rescaling(1 / 127.5, offset=-1)]))
)
scaled_back = _no_hyperparameter(lambda: _net(layers.Rescaling(1 / 255), layers.Rescaling(255)))
scaled_once = _no_hyperparameter(lambda: _net(layers.Rescaling(2, offset=-1)))


def frozen(_hp: Any) -> keras.Model:
    model = _net()
    model.trainable = False
    return model


def whole_numbers(_hp: Any) -> keras.Model:
    image = keras.Input(SHAPE, dtype="int32")
    x = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    return _compiled(keras.Model(image, layers.Dense(N, "softmax")(x)))


# Subclasses.


class Subclass(keras.Model):
    """Makes its weights when it is called, those of one branch in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.hidden, self.last = layers.Flatten(), layers.Dense(4), layers.Dense(N, "softmax")
        self.noise = keras.Sequential([layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5)])

    def call(self, images: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002 - as Keras calls it
        x = self.hidden(self.flatten(images))
        if training:
            x = self.noise(x, training=training)
        return self.last(x)


class NestedSubclass(keras.Model):
    """Has another subclass within, which it never tells that it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Subclass()

    def call(self, images: Any) -> Any:
        return self.inner(images)


class LooseSubclass(keras.Model):
    """Scales its images twice."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.flatten, self.last = layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(N, "softmax")

    def call(self, images: Any) -> Any:
        return self.last(self.flatten(self.scale(images)))


subclass = _no_hyperparameter(lambda: _compiled(Subclass()))
nested_subclass = _no_hyperparameter(lambda: _compiled(NestedSubclass()))
subclass_scaled_twice = _no_hyperparameter(lambda: _compiled(LooseSubclass()))
wrong_subclass = _no_hyperparameter(lambda: _compiled(keras.Sequential([Subclass(), layers.Dense(3)])))


def subclass_called(_hp: Any) -> keras.Model:
    model = Subclass()
    model(np.zeros((1, *SHAPE), "float32"))
    return _compiled(model)


def subclass_built(_hp: Any) -> keras.Model:
    model = Subclass()
    model.build((None, *SHAPE))
    return _compiled(model)


def subclass_of_other_size(_hp: Any) -> keras.Model:
    return _compiled(keras.Sequential([Subclass(), layers.Reshape((5, 5))]))


# Builders that print and raise.


def prints(hp: Any) -> keras.Model:
    """Print as people do while they look for a mistake."""
    model = _net(layers.Dense(hp.Int("units", 1, 2)))
    model.summary()
    print("built")  # noqa: T201 - what is tested
    return model


def raises(hp: Any) -> keras.Model:
    return _net(layers.Dense(hp.Choice("units", [8, None])))
