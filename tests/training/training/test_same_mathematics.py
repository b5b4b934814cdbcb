"""Whole-epoch programs against `Model.fit`, step for step where nothing is random, else in distribution."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy.stats import ttest_ind
from small_models import build_cnn

from tuner.training.batches import scale
from tuner.training.epoch_draws import draw_epoch
from tuner.training.own_fit import OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs import open_program
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training_settings import Annealing

#: 250 images: seven full batches and one of 26.
PLAN = TrainingPlan(epochs=2, batch_size=32, seed=1, shuffle=False)
N_STEPS = 16
#: A batch of training has no fewer images; made-up answers, by which metrics are created and told apart, are fewer.
N_OF_A_BATCH = 10


class StepLosses(keras.metrics.Metric):
    """Keeps the cross-entropy of every step of a run; its result is the number of steps."""

    def __init__(self, n_steps: int = N_STEPS) -> None:
        super().__init__(name="steps")
        self.losses = self.add_variable((n_steps,), "zeros", name="losses")
        self.step = self.add_variable((), "zeros", name="step")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        del sample_weight
        if y_pred.shape[0] is not None and y_pred.shape[0] < N_OF_A_BATCH:
            return
        losses = keras.losses.sparse_categorical_crossentropy(y_true, ops.cast(y_pred, "float32"))
        here = ops.arange(self.losses.shape[0]) == ops.cast(self.step, "int32")
        self.losses.assign(ops.where(here, ops.mean(losses), ops.convert_to_tensor(self.losses)))
        self.step.assign_add(1.0)

    def result(self) -> Any:
        return ops.convert_to_tensor(self.step)

    def reset_state(self) -> None:
        """Keep all steps; epochs begin with a reset."""


def optimizers() -> dict[str, Any]:
    return {
        "momentum": keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
        "decoupled weight decay and clipped norms": keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=0.05),
        "average that overwrites": keras.optimizers.Adam(
            0.01, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=3
        ),
        "accumulated gradients": keras.optimizers.SGD(0.1, gradient_accumulation_steps=3),
        "schedule": keras.optimizers.Lion(keras.optimizers.schedules.CosineDecay(0.003, N_STEPS)),
    }


@contextmanager
def precision(policy: str) -> Iterator[None]:
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def build(*, optimizer: Any, weights: Any = None, metrics: tuple[Any, ...] = ()) -> keras.Model:
    """A net with batch normalization and no dropout that keeps the loss of each step."""
    model = build_cnn(optimizer=optimizer)
    model.compile(model.optimizer, "sparse_categorical_crossentropy", metrics=["accuracy", StepLosses(), *metrics])
    if weights:
        model.set_weights(weights)
    return model


def fit_with_keras(model: keras.Model, data: TrainingData, **options: Any) -> keras.callbacks.History:
    x = ops.convert_to_numpy(scale(data.train.images))
    y = data.train.labels.astype(np.int32)
    return model.fit(x, y, batch_size=PLAN.batch_size, epochs=PLAN.epochs, shuffle=False, verbose=0, **options)


def step_losses(model: keras.Model) -> Any:
    return read_variable(next(v for v in model.metrics_variables if tuple(v.shape) == (N_STEPS,)))


def check_same(ours: keras.Model, theirs: keras.Model, *, rtol: float = 5e-4) -> None:
    losses = step_losses(ours)
    assert (losses > 0).all(), "every step must be there"
    np.testing.assert_allclose(losses, step_losses(theirs), rtol=rtol)
    for mine, his in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine.astype(np.float32), his.astype(np.float32), rtol=20 * rtol, atol=2 * rtol)


@pytest.fixture
def train_only(digits: TrainingData) -> TrainingData:
    return TrainingData(train=digits.train, validation=None)


@pytest.mark.parametrize("name", optimizers())
def test_every_step_is_keras_with_each_kind_of_optimizer(name: str, train_only: TrainingData) -> None:
    ours = build(optimizer=optimizers()[name])
    theirs = build(optimizer=optimizers()[name], weights=ours.get_weights())

    train(ours, train_only, PLAN, on_epoch=lambda _: None)
    fit_with_keras(theirs, train_only)

    check_same(ours, theirs)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_every_step_is_keras_in_mixed_precision(policy: str, train_only: TrainingData) -> None:
    with precision(policy):
        # The loss is scaled by 2**15, twice that every 4 steps, until gradients overflow; such steps are skipped.
        def optimizer() -> Any:
            inner = keras.optimizers.Adam(0.01, use_ema=True)
            if policy == "mixed_bfloat16":
                return inner
            return keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**15, dynamic_growth_steps=4)

        ours = build(optimizer=optimizer())
        theirs = build(optimizer=optimizer(), weights=ours.get_weights())
        train(ours, train_only, PLAN, on_epoch=lambda _: None)
        fit_with_keras(theirs, train_only)

    assert ours.layers[1].compute_dtype == policy.removeprefix("mixed_")
    # Two programs round 8 (bfloat16) or 11 bits of mantissa differently.
    check_same(ours, theirs, rtol=2e-2)
    if policy == "mixed_float16":
        for name in ("dynamic_scale", "step_counter"):
            assert read_variable(getattr(ours.optimizer, name)) == read_variable(getattr(theirs.optimizer, name))


def test_all_metrics_are_keras_and_class_weights_weigh_the_weighted_ones(digits: TrainingData) -> None:
    def compiled() -> keras.Model:
        keras.utils.set_random_seed(3)
        model = build_cnn(optimizer=keras.optimizers.SGD(0.05))
        model.compile(
            model.optimizer,
            "sparse_categorical_crossentropy",
            metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(3, name="top3")],
            weighted_metrics=[keras.metrics.SparseCategoricalCrossentropy(name="weighted")],
        )
        return model

    weights = {0: 4.0, 7: 0.0}
    returned: list[Any] = []

    def fit(hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> None:
        del hp
        returned.append(model.fit(*args, batch_size=32, shuffle=False, class_weight=weights, **kwargs))

    train(compiled(), digits, PLAN, on_epoch=lambda _: None, own_fit=OwnFit(function=fit, hyperparameters=None))
    validation = ops.convert_to_numpy(scale(digits.validation.images)), digits.validation.labels.astype(np.int32)
    expected = fit_with_keras(compiled(), digits, class_weight=weights, validation_data=validation)

    assert len(expected.history) == 8
    assert returned[0].history.keys() == expected.history.keys()
    for name, values in expected.history.items():
        np.testing.assert_allclose(returned[0].history[name], values, rtol=5e-4, err_msg=name)


@pytest.mark.parametrize("annealing", [Annealing(rule="cosine"), Annealing(rule="step", every_epochs=1), None])
def test_a_changed_learning_rate_traces_nothing_anew(annealing: Any, train_only: TrainingData) -> None:
    n_traces = 0

    def sparse_counted(y_true: Any, y_pred: Any) -> Any:
        nonlocal n_traces
        n_traces += 1
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)

    after: list[int] = []
    model = build_cnn(loss=sparse_counted)
    rates: list[float] = []

    def fit(hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> None:
        del hp
        kwargs["callbacks"].append(keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)))
        model.fit(*args, **kwargs)

    def on_epoch(result: Any) -> None:
        after.append(n_traces)
        rates.append(result.learning_rate)

    train(
        model,
        train_only,
        TrainingPlan(epochs=4, batch_size=32, seed=0, annealing=annealing),
        on_epoch=on_epoch,
        own_fit=None if annealing else OwnFit(function=fit, hyperparameters=None),
    )

    assert len(set(rates)) == 4
    assert after == [after[0]] * 4


def test_shuffled_and_with_dropout_losses_have_keras_distribution(train_only: TrainingData) -> None:
    """15 short runs of each from the same weights; dropout and order differ in each."""
    inputs = layers.Input((8, 8, 1))
    x = layers.Dense(32, activation="relu")(layers.Flatten()(inputs))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.Dropout(0.5)(x)))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    start = [read_variable(variable) for variable in (*model.trainable_variables, *model.optimizer.variables)]
    x_train, y_train = ops.convert_to_numpy(scale(train_only.train.images)), train_only.train.labels.astype(np.int32)

    def begin() -> None:
        for variable, value in zip((*model.trainable_variables, *model.optimizer.variables), start, strict=True):
            variable.assign(value)

    program = open_program(model, train_only, replace(PLAN, labels="indices"))
    ours, theirs = [], []
    for seed in range(15):
        plan = TrainingPlan(epochs=3, batch_size=32, seed=seed)
        begin()
        for epoch in (1, 2, 3):
            logs = program.train_epoch(
                draw_epoch(plan, epoch=epoch, n_images=250, image_shape=(8, 8, 1), learning_rates=None)
            )
        ours.append(logs["loss"])
        begin()
        theirs.append(model.fit(x_train, y_train, batch_size=32, epochs=3, verbose=0).history["loss"][-1])

    assert np.std(ours) > 0.005
    assert 0.5 < np.std(ours) / np.std(theirs) < 2
    assert ttest_ind(ours, theirs).pvalue > 0.01
    assert math.isclose(np.mean(ours), np.mean(theirs), rel_tol=0.05)
