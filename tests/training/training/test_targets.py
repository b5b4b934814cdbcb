"""Which labels losses of every kind are given, and what becomes of metrics that want others."""

import functools
import logging
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from small_models import build_mlp

from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.targets import ColumnLabelsError, MetricLabelsError, choose_labels, encode_targets
from tuner.training.train import train
from tuner.training.variables import read_variable

N = 10

on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="elsewhere all sizes are known")


class FocalLoss(keras.losses.Loss):
    """For class indices, as most snippets have it."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        chosen = ops.take_along_axis(y_pred, ops.cast(ops.squeeze(y_true), "int32")[:, None], axis=-1)[:, 0]
        return -ops.power(1 - chosen, 2.0) * ops.log(chosen + 1e-7)


class OneHotFocalLoss(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.sum(-y_true * ops.power(1 - y_pred, 2.0) * ops.log(y_pred + 1e-7), axis=-1)


class Smoothed(keras.losses.SparseCategoricalCrossentropy):
    """A subclass of Keras' own that makes one-hot rows itself."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        rows = ops.one_hot(ops.cast(y_true, "int32"), N) * 0.9 + 0.01
        return keras.losses.categorical_crossentropy(rows, y_pred)


def focal_of_indices(y_true: Any, y_pred: Any) -> Any:
    rows = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), N)
    return ops.sum(-rows * ops.power(1 - y_pred, 2.0) * ops.log(ops.clip(y_pred, 1e-7, 1.0)), axis=-1)


def wrapped_sparse(y_true: Any, y_pred: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred) + 0.01


def wrapped_one_hot(y_true: Any, y_pred: Any) -> Any:
    return 2 * keras.losses.categorical_crossentropy(y_true, y_pred)


def mean_of_wrapped_sparse(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(keras.losses.sparse_categorical_crossentropy(y_true, y_pred))


def squares(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def sparse_only_by_name(y_true: Any, y_pred: Any) -> Any:
    return -ops.sum(y_true * ops.log(y_pred + 1e-7), axis=-1)


def squared_distance(y_true: Any, y_pred: Any) -> Any:
    """Of ordered classes."""
    return ops.square(y_true - ops.sum(y_pred * ops.arange(N, dtype="float32"), axis=-1))


LOSSES: dict[str, tuple[Any, str]] = {
    "name": ("sparse_categorical_crossentropy", "indices"),
    "one-hot name": ("categorical_crossentropy", "one-hot"),
    "mean squared error": ("mse", "one-hot"),
    "object": (keras.losses.SparseCategoricalCrossentropy(from_logits=True), "indices"),
    "object with a name of its own": (keras.losses.SparseCategoricalCrossentropy(name="mine"), "indices"),
    "one-hot object called sparse": (keras.losses.KLDivergence(name="sparse"), "one-hot"),
    "function": (keras.losses.sparse_categorical_crossentropy, "indices"),
    "partial": (functools.partial(keras.losses.sparse_categorical_crossentropy, from_logits=True), "indices"),
    "list": (["sparse_categorical_crossentropy"], "indices"),
    "lambda": (lambda y, p: keras.losses.sparse_categorical_crossentropy(y, p) / 2, "indices"),
    "focal class": (FocalLoss(), "indices"),
    "focal class for one-hot": (OneHotFocalLoss(), "one-hot"),
    "focal function": (focal_of_indices, "indices"),
    "subclass": (Smoothed(), "indices"),
    "wrapped sparse": (wrapped_sparse, "indices"),
    "wrapped one-hot": (wrapped_one_hot, "one-hot"),
    "mean of a batch": (mean_of_wrapped_sparse, "indices"),
    "squares": (squares, "one-hot"),
    "wrong name": (sparse_only_by_name, "one-hot"),
    "ordered classes": (squared_distance, "indices"),
}


@pytest.mark.parametrize("case", LOSSES)
def test_a_model_is_given_the_labels_that_its_loss_takes(case: str) -> None:
    loss, expected = LOSSES[case]

    labels, guess = choose_labels(build_mlp(loss=loss), N)

    assert (labels, guess) == (expected, None)


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("loss", [wrapped_sparse, OneHotFocalLoss()])
def test_they_are_told_for_few_classes_too(n_classes: int, loss: Any) -> None:
    model = keras.Sequential([layers.Input((2,)), layers.Dense(n_classes, activation="softmax")])
    model.compile("adam", loss, metrics=["accuracy"])

    assert choose_labels(model, n_classes) == ("indices" if loss is wrapped_sparse else "one-hot", None)


def either(y_true: Any, y_pred: Any) -> Any:
    one_hot = len(y_true.shape) == 2
    known = keras.losses.categorical_crossentropy if one_hot else keras.losses.sparse_categorical_crossentropy
    return known(y_true, y_pred)


def sparse_or_not(y_true: Any, y_pred: Any) -> Any:
    return either(y_true, y_pred)


def of_a_full_batch(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.reshape(y_true, (32, -1))) + ops.mean(y_pred)


@pytest.mark.parametrize(
    ("loss", "metrics", "expected"),
    [
        (either, ["accuracy"], "one-hot"),
        (either, [keras.metrics.SparseTopKCategoricalAccuracy(1)], "indices"),
        (sparse_or_not, ["accuracy"], "indices"),
        (of_a_full_batch, ["accuracy"], "one-hot"),
    ],
)
def test_a_guess_is_said_and_names_the_setting(loss: Any, metrics: Any, expected: str) -> None:
    labels, guess = choose_labels(build_mlp(loss=loss, metrics=metrics), N)

    assert labels == expected
    assert "Set data.labels" in guess
    assert loss.__name__ in guess


def test_the_study_has_the_last_word() -> None:
    model = build_mlp(loss="categorical_crossentropy")

    assert choose_labels(model, N, "indices") == ("indices", None)
    assert choose_labels(model, N, "one-hot") == ("one-hot", None)


class OwnLoss(keras.Model):
    """Its loss is a method, and nothing that it was compiled with."""

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, **others: Any) -> Any:
        del x, others
        return ops.mean(keras.losses.sparse_categorical_crossentropy(y, y_pred))


def test_a_models_own_loss_is_asked_itself() -> None:
    inputs = layers.Input((8, 8, 1))
    model = OwnLoss(inputs, layers.Dense(N, activation="softmax")(layers.Flatten()(inputs)))
    model.compile("adam", metrics=["accuracy"])

    assert choose_labels(model, N) == ("indices", None)


class KeepsItsLoss(keras.Model):
    loss_fn = None


def test_a_loss_that_a_model_keeps_for_its_own_step_is_found() -> None:
    inputs = layers.Input((8, 8, 1))
    model = KeepsItsLoss(inputs, layers.Dense(N, activation="softmax")(layers.Flatten()(inputs)))
    model.loss_fn = keras.losses.SparseCategoricalCrossentropy()
    model.compile("adam", metrics=["accuracy"])

    assert choose_labels(model, N) == ("indices", None)


def error_rate(y_true: Any, y_pred: Any) -> Any:
    return 1.0 - keras.metrics.sparse_categorical_accuracy(y_true, y_pred)


@pytest.mark.parametrize(
    ("loss", "metric", "message"),
    [
        ("categorical_crossentropy", "sparse_categorical_accuracy", "sparse_categorical_accuracy.*is given one-hot"),
        ("categorical_crossentropy", error_rate, "error_rate.*is given one-hot labels.*takes class indices"),
        (wrapped_sparse, keras.metrics.F1Score(), "F1Score.*is given class indices.*Expected metrics="),
    ],
)
def test_a_metric_that_takes_other_labels_than_the_loss_is_refused(loss: Any, metric: Any, message: str) -> None:
    with pytest.raises(MetricLabelsError, match=message):
        choose_labels(build_mlp(loss=loss, metrics=["accuracy", metric]), N)


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        ("sparse_categorical_crossentropy", error_rate),
        ("sparse_categorical_crossentropy", keras.metrics.SparseTopKCategoricalAccuracy(k=3)),
        ("categorical_crossentropy", keras.metrics.AUC()),
        ("categorical_crossentropy", keras.metrics.CategoricalAccuracy(name="top1")),
        (focal_of_indices, "sparse_categorical_accuracy"),
        ("mse", "mae"),
    ],
)
def test_a_metric_that_takes_them_is_let_be_and_not_touched(loss: Any, metric: Any) -> None:
    model = build_mlp(loss=loss, metrics=[metric])

    choose_labels(model, N)

    assert not any(read_variable(variable).any() for variable in getattr(metric, "variables", ()))


@pytest.mark.parametrize("loss", [focal_of_indices, wrapped_sparse, OneHotFocalLoss(), either])
def test_nets_learn_by_losses_of_ones_own(loss: Any, digits: TrainingData) -> None:
    model = build_mlp(loss=loss, optimizer=keras.optimizers.Adam(0.02))
    plan = TrainingPlan(epochs=8, batch_size=32, seed=0)

    history = train(model, digits, plan, on_epoch=lambda _: None)

    assert history.epochs[-1].val_accuracy > 0.7


def surprise(indices: Any, y_pred: Any) -> Any:
    """Return the plain cross-entropy for class indices of shape (batch, 1)."""
    return -ops.log(ops.take_along_axis(y_pred, ops.cast(indices, "int32"), axis=-1)[:, 0])


def squeezed(y_true: Any, y_pred: Any) -> Any:
    return surprise(ops.squeeze(y_true)[:, None], y_pred)


def squeezed_sparse(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    return keras.losses.sparse_categorical_crossentropy(tf.squeeze(y_true), y_pred)


def of_a_known_size(y_true: Any, y_pred: Any) -> Any:
    n = y_true.shape[0]
    return ops.sum(surprise(ops.reshape(y_true, (n, 1)), y_pred)) / n


def as_column(y_true: Any, y_pred: Any) -> Any:
    return surprise(ops.reshape(y_true, (-1, 1)), y_pred)


def first_column(y_true: Any, y_pred: Any) -> Any:
    return surprise(y_true[:, 0][:, None], y_pred)


def first_column_sparse(y_true: Any, y_pred: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y_true[:, 0], y_pred)


def without_last_axis(y_true: Any, y_pred: Any) -> Any:
    return surprise(ops.squeeze(y_true, axis=-1)[:, None], y_pred)


def curve(loss: Any, data: TrainingData) -> list[Any]:
    keras.utils.set_random_seed(0)
    plan = TrainingPlan(epochs=2, batch_size=32, seed=0)
    results = train(build_mlp(loss=loss), data, plan, on_epoch=lambda _: None).epochs
    return [(result.loss, result.accuracy, result.val_loss, result.val_accuracy) for result in results]


@pytest.fixture(scope="module")
def curves_of_known_losses(digits: TrainingData) -> dict[str, list[Any]]:
    return {"focal": curve(focal_of_indices, digits), "plain": curve("sparse_categorical_crossentropy", digits)}


@on_tensorflow
@pytest.mark.parametrize(
    ("loss", "same_loss", "is_known"),
    [
        (FocalLoss(), "focal", True),
        (squeezed, "plain", True),
        (squeezed_sparse, "plain", True),
        (of_a_known_size, "plain", True),
        (as_column, "plain", False),
    ],
)
def test_a_loss_trains_alike_whether_or_not_it_must_know_the_size_of_a_batch(
    loss: Any,
    same_loss: str,
    digits: TrainingData,
    curves_of_known_losses: dict[str, list[Any]],
    caplog: pytest.LogCaptureFixture,
    *,
    is_known: bool,
) -> None:
    with caplog.at_level(logging.INFO, logger="tuner.training"):
        ours = curve(loss, digits)

    np.testing.assert_allclose(ours, curves_of_known_losses[same_loss], rtol=1e-4)
    for step in ("train_step", "test_step"):
        assert (f"Calling the model's {step} batch by batch" in caplog.text) == is_known


@on_tensorflow
def test_any_other_loss_is_traced_once_for_full_and_partial_batches(digits: TrainingData) -> None:
    import tensorflow as tf

    shapes = []

    def noted(y_true: Any, y_pred: Any) -> Any:
        if not tf.executing_eagerly():
            shapes.append(y_true.shape.as_list())
        return wrapped_sparse(y_true, y_pred)

    curve(noted, digits)

    assert shapes == [[None], [None]]


@on_tensorflow
def test_a_loss_that_fails_for_a_last_batch_of_one_is_refused_before_the_first_epoch(digits: TrainingData) -> None:
    from tuner.training.programs.tensorflow import LastBatchError

    data = TrainingData(train=digits.train.take(np.arange(65)), validation=digits.validation)

    with pytest.raises(LastBatchError, match=r"batches of 32 images, the last of 1: .*ops.reshape\(y_true, \(-1,\)\)"):
        curve(FocalLoss(), data)


@pytest.mark.parametrize("loss", [first_column, first_column_sparse, without_last_axis])
def test_a_loss_for_a_column_of_class_indices_is_refused_unless_the_study_says_so(loss: Any) -> None:
    model = build_mlp(loss=loss)

    with pytest.raises(ColumnLabelsError, match=rf"the loss {loss.__name__}, which .*\(batch, 1\).*data.labels"):
        choose_labels(model, N)
    assert choose_labels(model, N, "indices") == ("indices", None)


def test_both_encodings_hold_the_same_labels() -> None:
    labels = np.array([2, 0, 1])

    indices, one_hot = encode_targets(labels, 3, "indices"), encode_targets(labels, 3, "one-hot")

    assert (indices.dtype, indices.tolist()) == (np.int32, [2, 0, 1])
    assert (one_hot.dtype, one_hot.tolist()) == (np.float32, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
