"""HyperModels and build functions of every shape that a space may have."""

from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat

HP = keras_tuner.HyperParameters
Shape = tuple[int, int, int]

PARAMETERS = {"units": "Neurons."}


def _classifier(hp: HP, shape: Shape, classes: int) -> keras.Model:
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten()])
    model.add(keras.layers.Dense(hp.Int("units", 4, 16, step=4, default=8), activation="relu"))
    model.add(keras.layers.Dense(classes, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def build(hp: HP) -> keras.Model:
    """Build a tiny net for 8x8 digits."""
    return _classifier(hp, (8, 8, 1), 10)


def build_for_images(hp: HP, images: ImageFormat) -> keras.Model:
    return _classifier(hp, images.shape, images.n_classes)


def build_for_images_or_none(hp: HP, images: ImageFormat | None = None) -> keras.Model:
    assert images is not None
    return _classifier(hp, images.shape, images.n_classes)


def build_for_named_images(hp: HP, *, images: ImageFormat) -> keras.Model:
    return _classifier(hp, images.shape, images.n_classes)


def build_once(hp: HP) -> keras.Model:
    """Return the same model each time."""
    _built.extend([] if _built else [_classifier(hp, (8, 8, 1), 10)])
    return _built[0]


_built: list[keras.Model] = []


def build_wrong_classes(hp: HP) -> keras.Model:
    return _classifier(hp, (8, 8, 1), 7)


def build_nothing(hp: HP) -> None:
    hp.Int("units", 1, 2)


def build_uncompiled(hp: HP) -> keras.Model:
    hp.Int("units", 1, 2)
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])


class ForImages(keras_tuner.HyperModel):
    """A net that is told of its images when it is made."""

    def __init__(self, input_shape: Shape, classes: int) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.classes = classes

    def build(self, hp: HP) -> keras.Model:
        return _classifier(hp, self.input_shape, self.classes)


class TakesImages(keras_tuner.HyperModel):
    def build(self, hp: HP, images: ImageFormat) -> keras.Model:
        return _classifier(hp, images.shape, images.n_classes)


class NeedsMore(keras_tuner.HyperModel):
    def __init__(self, input_shape: Shape, depth: int) -> None:
        super().__init__()
        self.shape = (*input_shape, depth)


class TakesNoValidation(TakesImages):
    def fit(self, hp: HP, model: keras.Model, x: Any, y: Any) -> Any:
        del hp
        return model.fit(x, y)


class NoHyperModel:
    pass


instance = ForImages(input_shape=(8, 8, 1), classes=10)
number = 3


class EveryKind(keras_tuner.HyperModel):
    """All kinds of hyperparameters, conditional scopes, name scopes, and a `fit` of its own."""

    def __init__(self, input_shape: Shape = (8, 8, 1), classes: int = 10) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.classes = classes

    def build(self, hp: HP) -> keras.Model:
        inputs = keras.Input(self.input_shape)
        x = keras.layers.Flatten()(inputs)
        kind = hp.Choice("kind", ["plain", "scaled"])
        with hp.conditional_scope("kind", ["plain"]):
            plain_units = hp.Choice("units", [4, 8])
        with hp.conditional_scope("kind", ["scaled"]):
            scaled_units = hp.Int("units", 16, 18)
            if kind == "scaled":
                with hp.name_scope("scaling"):
                    x = keras.layers.Rescaling(hp.Float("factor", 0.5, 8.0, step=2, sampling="log"))(x)
        x = keras.layers.Dense(plain_units or scaled_units, use_bias=hp.Choice("bias", [True, False]))(x)
        for layer in range(hp.Int("layers", 1, 9, step=3)):
            with hp.name_scope(f"layer_{layer}"):
                x = keras.layers.Dense(hp.Int("units", 2, 16, step=2, sampling="log"))(x)
        if hp.Boolean("normalize", default=True):
            x = keras.layers.BatchNormalization()(x)
        rate = hp.Float("dropout", 0.0, 0.3, step=0.1, parent_name="normalize", parent_values=[True])
        x = keras.layers.Dropout(rate or 0.0)(x)
        x = keras.layers.Dense(hp.Int("wide", 4, 64, sampling="log"))(x)
        x = keras.layers.Dense(hp.Int("narrow", 4, 64, sampling="reverse_log"))(x)
        outputs = keras.layers.Dense(self.classes, activation=hp.Fixed("output", "softmax"))(x)
        model = keras.Model(inputs, outputs)
        optimizer = keras.optimizers.SGD(
            learning_rate=hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
            momentum=hp.Float("momentum", 0.5, 0.99, sampling="reverse_log"),
        )
        hp.Float("decay", 1.0, 64.0, step=4, sampling="reverse_log")
        model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: HP, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, epochs=hp.Int("epochs", 1, 3), **kwargs)


def build_rated(hp: HP) -> keras.Model:
    """Build a tiny net whose learning rate is searched too."""
    model = build(hp)
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
