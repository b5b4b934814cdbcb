"""Functions of labels and probabilities, as people write them for `search.objective`."""

from typing import Any

import keras
import numpy as np
from own_builders.failing_later import HP
from sklearn.metrics import recall_score

NUMBER = 3


def g_mean(y_true: Any, probabilities: Any) -> float:
    """Return the geometric mean of the recalls."""
    recalls = recall_score(y_true, probabilities.argmax(axis=1), average=None, zero_division=0.0)
    return float(np.prod(recalls) ** (1 / len(recalls)))


def wants_columns(y_true: Any, probabilities: Any) -> float:
    """Take labels as columns, which they are not."""
    return float(probabilities[y_true[:, 0]])


def returns_nothing(y_true: Any, probabilities: Any) -> None:
    """Measure nothing."""
    del y_true, probabilities


def returns_nan(y_true: Any, probabilities: Any) -> float:
    """Measure what is not defined."""
    del y_true, probabilities
    return float("nan")


def with_more_metrics(_hp: HP) -> keras.Model:
    """Build a net that measures its F1 and its mean squared error, and no accuracy."""
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    metrics = [keras.metrics.F1Score(average="macro", name="f1"), keras.metrics.MeanSquaredError(name="mse")]
    model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy", metrics=metrics, run_eagerly=True)
    return model


def brier(y_true: Any, probabilities: Any) -> float:
    """Return the mean squared distance of the probabilities from certain right answers."""
    certain = np.eye(probabilities.shape[1])[y_true]
    return float(((probabilities - certain) ** 2).sum(axis=1).mean())
