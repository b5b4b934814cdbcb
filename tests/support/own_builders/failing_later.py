"""Builders that build with their defaults, each with a fault that another stage of a study would meet."""

import ctypes
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras import layers

HP = keras_tuner.HyperParameters
_count = itertools.count(1)


def _net(*extra: keras.layers.Layer, loss: Any = "sparse_categorical_crossentropy") -> keras.Model:
    model = keras.Sequential([keras.Input((8, 8, 1)), *extra, layers.Flatten(), layers.Dense(10, activation="softmax")])
    # Eagerly: to trace a program takes longer than a few steps.
    model.compile(keras.optimizers.SGD(0.01), loss, metrics=["accuracy"], run_eagerly=True)
    return model


def fine(hp: HP) -> keras.Model:
    hp.Int("units", 1, 9)
    return _net()


def raises(_hp: HP) -> keras.Model:
    raise ValueError("no such layer")


def leaves(_hp: HP) -> keras.Model:
    sys.exit("enough")


def prints(hp: HP) -> keras.Model:
    print("a line of its own")  # noqa: T201 - a person's builder may
    return fine(hp)


def crashes(_hp: HP) -> keras.Model:
    ctypes.string_at(0)
    raise AssertionError("still there")


def ends_the_process(_hp: HP) -> keras.Model:
    os._exit(9)


def never_ends(_hp: HP) -> keras.Model:
    while True:
        time.sleep(0.01)


def breaks_in_training(hp: HP) -> keras.Model:
    def broken_sparse_loss(_truth: Any, _guess: Any) -> Any:
        raise RuntimeError("this loss is broken")

    hp.Int("units", 1, 9)
    return _net(loss=broken_sparse_loss)


def builds_another_model_each_time(hp: HP) -> keras.Model:
    hp.Int("units", 1, 9)
    return _net(layers.Conv2D(next(_count), 3))


def breaks_for_all_but_defaults(hp: HP) -> keras.Model:
    if hp.Int("units", 1, 1_000_000) != 1:
        raise ValueError("too many units")
    return _net()


def breaks_for_one_choice(hp: HP) -> keras.Model:
    hp.Float("rate", 0.1, 0.2)
    if hp.Choice("activation", ["relu", "rellu"]) == "rellu":
        raise ValueError("no such activation")
    return _net()


def takes_class_indices_alone(hp: HP) -> keras.Model:
    """Its loss has no one-hot counterpart, which mixing images needs."""

    def own_sparse_loss(truth: Any, guess: Any) -> Any:
        return keras.losses.sparse_categorical_crossentropy(truth, guess)

    hp.Int("units", 1, 9)
    return _net(loss=own_sparse_loss)


class NanOutsideOfTraining(layers.Layer):
    def call(self, inputs: Any, *, training: bool = False) -> Any:
        return inputs if training else inputs * float("nan")


def predicts_nan(hp: HP) -> keras.Model:
    hp.Int("units", 1, 9)
    return _net(NanOutsideOfTraining())


def scales_by_chance(hp: HP) -> keras.Model:
    """What it has drawn is in no weight."""
    hp.Int("units", 1, 9)
    return _net(layers.Rescaling(float(next(_count))))


def seeds_itself(hp: HP) -> keras.Model:
    hp.Int("units", 1, 9)
    keras.utils.set_random_seed(1)
    return _net()


def answers_by_its_batch(hp: HP) -> keras.Model:
    hp.Int("units", 1, 9)
    return _net(layers.Lambda(lambda images: images - keras.ops.mean(images, axis=0, keepdims=True)))


class NeedsManyImages(keras_tuner.HyperModel):
    def build(self, hp: HP) -> keras.Model:
        return fine(hp)

    def fit(self, _hp: HP, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
        if len(x) < 100:
            raise ValueError("too few images to divide")
        return model.fit(x, y, **kwargs)


class WritesWhatItSees(keras_tuner.HyperModel):
    def build(self, hp: HP) -> keras.Model:
        return fine(hp)

    def fit(self, _hp: HP, model: keras.Model, x: Any, y: Any, validation_data: Any = None, **kwargs: Any) -> Any:
        seen = [x] if validation_data is None else [x, validation_data[0]]
        with Path("seen.txt").open("a", encoding="utf-8") as file:
            file.writelines(f"{value * 255:.0f}\n" for images in seen for value in np.unique(images))
        return model.fit(x, y, validation_data=validation_data, **kwargs)
