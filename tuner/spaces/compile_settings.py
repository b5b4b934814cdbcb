"""Batch size, optimizer and loss, which all families ask, and the model compiled with them.

A loss whose name contains `sparse` takes integer labels, every other loss one-hot labels; `accuracy` takes either.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_tuner

from tuner.spaces.space import BATCH_SIZE

#: The purpose of each hyperparameter that is asked here.
PARAMETERS: Mapping[str, str] = {
    BATCH_SIZE: "Images per step of the optimizer; small batches learn more per epoch, large ones run faster.",
    "optimizer": "Rule that turns gradients into steps.",
    "learning_rate": "Size of the first steps; the range depends on the optimizer.",
    "momentum": "Nesterov momentum of sgd: the share of the last step that is added to the next one.",
    "weight_decay": "Share of each kernel lost at a step, times the learning rate; biases and scales are left alone.",
    "loss": "What training minimizes; without label smoothing the three have equal gradients.",
    "label_smoothing": "Share of each label's probability that is spread evenly over all classes.",
}

#: Name → class, for families and recipes.
OPTIMIZERS: Mapping[str, Any] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
}
#: Name → class; `accuracy` goes with each.
LOSSES: Mapping[str, Any] = {
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "kl_divergence": keras.losses.KLDivergence,
}
# One name, two ranges: Adam and its relatives diverge at 0.1, where gradient descent and Adadelta only begin to learn.
_SMALL_STEPS = ["adam", "adamw", "nadam", "rmsprop"]
_LARGE_STEPS = ["sgd", "adagrad", "adadelta"]


def _unchanged(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    return optimizer


def compile_classifier(
    model: keras.Model,
    hp: keras_tuner.HyperParameters,
    *,
    adapt: Callable[[keras.optimizers.Optimizer], keras.optimizers.Optimizer] = _unchanged,
) -> keras.Model:
    """Ask batch size, optimizer and loss, and return the model compiled with the last two and with accuracy.

    Args:
        model: Ends in class probabilities.
        hp: Answers the questions.
        adapt: Makes of the optimizer the one that is used.
    """
    # Not used here: training reads it from `hp.values`, see `BATCH_SIZE`.
    hp.Choice(BATCH_SIZE, [16, 32, 64, 128, 256, 512], default=64)
    model.compile(optimizer=adapt(choose_optimizer(hp)), loss=choose_loss(hp), metrics=["accuracy"])
    return model


def choose_optimizer(hp: keras_tuner.HyperParameters) -> keras.optimizers.Optimizer:
    """Ask an optimizer and its settings; the learning rate is a number, no schedule, so that training may change it."""
    name = hp.Choice("optimizer", list(OPTIMIZERS), default="adam")
    with hp.conditional_scope("optimizer", _SMALL_STEPS):
        hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
    with hp.conditional_scope("optimizer", _LARGE_STEPS):
        hp.Float("learning_rate", 1e-3, 1.0, sampling="log", default=0.05)
    settings: dict[str, Any] = {"learning_rate": hp.get("learning_rate")}
    with hp.conditional_scope("optimizer", ["sgd"]):
        momentum = hp.Float("momentum", 0.0, 0.99, default=0.9)
        if momentum is not None:
            settings |= {"momentum": momentum, "nesterov": momentum > 0}
    with hp.conditional_scope("optimizer", ["adamw", "sgd"]):
        weight_decay = hp.Float("weight_decay", 1e-5, 1e-1, sampling="log", default=1e-3)
        if weight_decay is not None:
            settings["weight_decay"] = weight_decay
    optimizer = OPTIMIZERS[name](**settings)
    if weight_decay is not None:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def choose_loss(hp: keras_tuner.HyperParameters) -> keras.losses.Loss:
    """Ask a loss, and label smoothing for the one loss in Keras that has it, the one-hot cross-entropy."""
    name = hp.Choice("loss", list(LOSSES), default="categorical_crossentropy")
    with hp.conditional_scope("loss", ["categorical_crossentropy"]):
        label_smoothing = hp.Float("label_smoothing", 0.0, 0.2, default=0.0)
    return LOSSES[name](**({} if label_smoothing is None else {"label_smoothing": label_smoothing}))
