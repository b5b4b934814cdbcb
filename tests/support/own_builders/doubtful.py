"""Nets of which a person should be told before a search, and neighbours of them that are as they should be."""

from typing import Any

import keras
from keras import layers


def _compiled(model: Any, loss: Any = "sparse_categorical_crossentropy") -> Any:
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"], run_eagerly=True)
    return model


def _net(*first: Any, end: str | None = "softmax", loss: Any = "sparse_categorical_crossentropy") -> Any:
    return _compiled(keras.Sequential([layers.Input((8, 8, 1)), *first, layers.Flatten(), layers.Dense(10, end)]), loss)


def _with_logits() -> Any:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def logits_as_probabilities(_hp: Any) -> Any:
    return _net(end=None)


def logits_declared(_hp: Any) -> Any:
    return _net(end=None, loss=_with_logits())


def softmax_as_logits(_hp: Any) -> Any:
    return _net(loss=_with_logits())


def sigmoids_for_one_class(_hp: Any) -> Any:
    return _net(end="sigmoid")


def sigmoids_for_each_class(_hp: Any) -> Any:
    return _net(end="sigmoid", loss="binary_crossentropy")


def resized_and_rescaled(_hp: Any) -> Any:
    return _net(layers.Resizing(16, 16), layers.Rescaling(1 / 255))


def moved_by_a_mean(_hp: Any) -> Any:
    return _net(layers.Lambda(lambda pictures: pictures - 127.5))


def coloured_and_moved(_hp: Any) -> Any:
    """As keras.applications' ResNet50 asks for, whose `preprocess_input` is meant for 0 to 255."""
    colours = layers.Lambda(lambda pictures: keras.ops.repeat(pictures, 3, axis=-1))
    return _net(colours, layers.Lambda(keras.applications.resnet50.preprocess_input))


def divided_with_a_lambda(_hp: Any) -> Any:
    return _net(layers.Lambda(lambda pictures: pictures / 255))


def divided_by_16(_hp: Any) -> Any:
    return _net(layers.Rescaling(1 / 16))


def pooled_first(_hp: Any) -> Any:
    return _net(layers.AveragePooling2D(4))


class _Subclass(keras.Model):  # type: ignore[misc]
    def __init__(self, *, divisor: float = 1.0, end: str | None = "softmax") -> None:
        super().__init__()
        self._divisor = divisor
        self._hidden, self._out = layers.Conv2D(2, 3), layers.Dense(10, end)
        self._flatten = layers.Flatten()

    def call(self, pictures: Any) -> Any:
        return self._out(self._flatten(self._hidden(pictures / self._divisor)))


def divided_in_call(_hp: Any) -> Any:
    return _compiled(_Subclass(divisor=255.0))


def subclass_without_scaling(_hp: Any) -> Any:
    return _compiled(_Subclass())


def logits_of_a_subclass(_hp: Any) -> Any:
    return _compiled(_Subclass(end=None))


def softmax_twice(_hp: Any) -> Any:
    head = [layers.Flatten(), layers.Dense(10, "softmax"), layers.Dropout(0.1), layers.Softmax()]
    return _compiled(keras.Sequential([layers.Input((8, 8, 1)), *head]))


def softmax_of_a_nets_sigmoids(_hp: Any) -> Any:
    net = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, "sigmoid")])
    pictures = layers.Input((8, 8, 1))
    return _compiled(keras.Model(pictures, keras.ops.softmax(net(pictures))))


def softmax_after_a_hidden_one(_hp: Any) -> Any:
    return _net(layers.Flatten(), layers.Dense(8, "softmax"))


def _embedded(*first: Any) -> Any:
    return _net(*first, layers.Reshape((64,)), layers.Embedding(256, 2))


def embedded_fractions(_hp: Any) -> Any:
    return _embedded()


def embedded_after_a_cast(_hp: Any) -> Any:
    return _embedded(layers.Lambda(lambda pictures: keras.ops.cast(pictures, "int32")))


def embedded_bytes(_hp: Any) -> Any:
    return _embedded(layers.Rescaling(255))
