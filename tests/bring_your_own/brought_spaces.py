"""Hyperparameters as people ask for them: dense nets for grey 8x8 pictures of ten classes."""

from typing import Any

import keras
import keras_tuner
from keras import layers

HP = keras_tuner.HyperParameters
SHAPE = (8, 8, 1)
CLASSES = 10


class Untrained(keras.Sequential):
    """Reports epochs without a step in them: what spaces lead to is looked at, and not what nets learn."""

    def fit(self, *_: Any, epochs: int, callbacks: Any, initial_epoch: int = 0, **_others: Any) -> None:
        watching = keras.callbacks.CallbackList(callbacks, model=self)
        for epoch in range(initial_epoch, epochs):
            watching.on_epoch_begin(epoch)
            watching.on_epoch_end(epoch, {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5})


def _dense(*units: int, rate: float = 0.01, optimizer: Any = None) -> keras.Model:
    hidden = [layers.Dense(count, "relu") for count in units]
    model = Untrained([keras.Input(SHAPE), layers.Flatten(), *hidden, layers.Dense(CLASSES, "softmax")])
    model.compile(
        optimizer or keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # Few images are predicted sooner so than a program is traced.
        run_eagerly=True,
    )
    return model


def conditional_layers(hp: HP) -> keras.Model:
    units = []
    for index in range(hp.Int("layers", 1, 3)):
        with hp.conditional_scope("layers", list(range(index + 1, 4))):
            units.append(hp.Int(f"units_{index}", 32, 64, step=16))
    return _dense(*units)


def same_name_in_two_branches(hp: HP) -> keras.Model:
    kind = hp.Choice("kind", ["narrow", "wide"])
    with hp.conditional_scope("kind", ["narrow"]):
        narrow = hp.Int("units", 16, 32, step=16)
    with hp.conditional_scope("kind", ["wide"]):
        wide = hp.Int("units", 64, 128, step=64)
    return _dense(narrow if kind == "narrow" else wide)


def by_parent_name(hp: HP) -> keras.Model:
    hp.Int("depth", 1, 2)
    first = hp.Int("first", 32, 64, step=32)
    second = hp.Int("second", 32, 64, step=32, parent_name="depth", parent_values=[2])
    return _dense(*[units for units in (first, second) if units is not None])


def by_plain_if(hp: HP) -> keras.Model:
    if hp.Boolean("deep"):
        return _dense(64, hp.Int("second", 16, 32))
    return _dense(hp.Int("units", 32, 64))


# Spaces that change with their values.


def rates_that_depend(hp: HP) -> keras.Model:
    is_small = hp.Boolean("small")
    return _dense(64, rate=hp.Choice("rate", [0.005, 0.01] if is_small else [0.01, 0.02, 0.04]))


def range_of_rates_that_depends(hp: HP) -> keras.Model:
    first = hp.Float("first", 0.01, 0.04, step=0.01)
    return _dense(64, rate=hp.Float("second", 0.005, first, step=0.005))


def rate_chosen_here_and_drawn_there(hp: HP) -> keras.Model:
    if hp.Boolean("small"):
        return _dense(64, rate=hp.Choice("rate", [0.005, 0.01]))
    return _dense(64, rate=hp.Float("rate", 0.02, 0.04, step=0.01))


def name_scopes(hp: HP) -> keras.Model:
    units = []
    for index in range(hp.Int("layers", 1, 2)):
        with hp.name_scope(f"layer_{index}"):
            units.append(hp.Int("units", 32, 64, step=16))
    return _dense(*units)


def nested_conditions(hp: HP) -> keras.Model:
    name = hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        is_fast = hp.Boolean("nesterov")
        with hp.conditional_scope("nesterov", [True]):
            momentum = hp.Float("momentum", 0.5, 0.9)
    if name == "adam":
        return _dense(64)
    return _dense(64, optimizer=keras.optimizers.SGD(0.1, momentum or 0.5, nesterov=bool(is_fast)))


def numbers_of_every_kind(hp: HP) -> keras.Model:
    rate = hp.Float("rate", 1e-3, 1e-1, step=10, sampling="log")
    units = hp.Int("units", 16, 64, step=2, sampling="log")
    hp.Float("unused", 0.0, 0.5, step=0.05)
    hp.Int("only_one", 3, 3)
    hp.Float("mirrored", 0.5, 0.99, sampling="reverse_log")
    return _dense(units, rate=min(rate, 0.02))


def seven_hundred_choices(hp: HP) -> keras.Model:
    return _dense(64, rate=hp.Choice("rate", [round(5e-3 * 1.002**power, 9) for power in range(700)]))


def names_with_odd_letters(hp: HP) -> keras.Model:
    units = hp.Int("Größe der Schicht / units [a=1|2]", 32, 64, step=32)
    return _dense(units, rate=hp.Choice("<b>rate</b>", [0.01, 0.02]))


def a_name_of_six_hundred_letters(hp: HP) -> keras.Model:
    return _dense(hp.Int("units_" * 100, 32, 64, step=32))


def a_condition_of_many_values(hp: HP) -> keras.Model:
    hp.Int("layers_of_the_dense_part_of_the_network", 1, 150)
    with hp.conditional_scope("layers_of_the_dense_part_of_the_network", list(range(1, 151))):
        return _dense(hp.Int("units", 32, 64, step=32))


def reads_values_again(hp: HP) -> keras.Model:
    hp.Int("units", 32, 64, step=32)
    assert hp.values["units"] == hp.get("units")
    return _dense(hp.get("units"))


def fixed_values(hp: HP) -> keras.Model:
    return _dense(hp.Fixed("units", 64), hp.Int("second", 32, 64))


def no_hyperparameters(hp: HP) -> keras.Model:
    del hp
    return _dense(64)


def batch_size_too(hp: HP) -> keras.Model:
    hp.Choice("batch_size", [16, 32])
    return _dense(hp.Int("units", 32, 64))


class WithShape(keras_tuner.HyperModel):
    """Told of the pictures when it is made."""

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.classes = classes

    def build(self, hp: HP) -> keras.Model:
        model = _dense(hp.Int("units", 32, 64))
        assert model.input_shape[1:] == self.input_shape
        assert model.output_shape == (None, self.classes)
        return model


instance = WithShape(SHAPE, CLASSES)
