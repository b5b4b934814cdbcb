import logging
import math
from typing import Any

import keras
import numpy as np
import pytest
from small_models import build_cnn, build_mlp

from tuner.epochs import Epoch
from tuner.training.batches import scale
from tuner.training.epoch_draws import draw_epoch
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.predictions import predict_probabilities
from tuner.training.programs import xla
from tuner.training.programs.xla import is_faster_with_xla
from tuner.training.session import PROGRAMS
from tuner.training.targets import choose_labels, encode_targets
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training_settings import Annealing, Augmentation

LOSSES_AND_OPTIMIZERS = {
    "smoothed": (
        keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=0.5),
    ),
    "divergence": ("kl_divergence", lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.8)),
    "schedule": (
        "categorical_crossentropy",
        lambda: keras.optimizers.RMSprop(keras.optimizers.schedules.CosineDecay(0.01, 16)),
    ),
}


def ignore(result: Epoch) -> None:
    """Look at no epoch."""


def arrays(model: keras.Model, images: Any) -> Any:
    return keras.ops.convert_to_numpy(scale(images.images)), encode_targets(
        images.labels, 10, choose_labels(model, 10)[0]
    )


def fit_in_our_order(model: keras.Model, data: TrainingData, plan: TrainingPlan) -> Any:
    """Train by Keras' own `fit`, one call, no shuffling of its own."""
    x, y = arrays(model, data.train)

    class Ordered(keras.utils.PyDataset):
        epoch = 1

        def __len__(self) -> Any:
            return math.ceil(len(x) / plan.batch_size)

        def __getitem__(self, index: int) -> Any:
            draws = draw_epoch(plan, epoch=self.epoch, n_images=len(x), image_shape=x.shape[1:], learning_rates=None)
            order = draws.order[index * plan.batch_size : (index + 1) * plan.batch_size]
            return x[order], y[order]

    batches = Ordered()
    count = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: setattr(batches, "epoch", epoch + 1))
    validation = arrays(model, data.validation)
    return model.fit(
        batches, validation_data=validation, epochs=plan.epochs, callbacks=[count], shuffle=False, verbose=0
    ).history


def build_normalized_mlp(**compile_arguments: Any) -> keras.Model:
    model = build_mlp(keras.layers.BatchNormalization(), **compile_arguments)
    # The usual one enlarges the rounding errors of gradients that are zero, as those of a unit that never fires.
    model.optimizer.epsilon = 1e-3
    return model


# Each optimizer, step by step, is in `test_same_mathematics.py`.
@pytest.mark.parametrize(
    ("xla_epoch", "case"),
    [(False, "smoothed"), (False, "divergence"), (True, "schedule")],
)
def test_a_whole_epoch_is_what_keras_fit_does_with_the_last_partial_batch_included(
    case: str, digits: TrainingData, monkeypatch: pytest.MonkeyPatch, *, xla_epoch: bool
) -> None:
    loss, optimizer = LOSSES_AND_OPTIMIZERS[case]
    plan = TrainingPlan(epochs=2, batch_size=32, seed=1)
    monkeypatch.setattr(xla, "FEWEST_STEPS", 0)
    build = build_normalized_mlp if xla_epoch else build_cnn
    ours, theirs = build(optimizer=optimizer(), loss=loss), build(optimizer=optimizer(), loss=loss)
    theirs.set_weights(ours.get_weights())
    assert is_faster_with_xla(ours, digits, plan) == xla_epoch

    history = train(ours, digits, plan, on_epoch=ignore)
    expected = fit_in_our_order(theirs, digits, plan)

    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        measured = [getattr(result, name) for result in history.epochs]
        np.testing.assert_allclose(measured, expected[name], rtol=2e-4, err_msg=name)
    for mine, his in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, his, rtol=2e-3, atol=2e-4)


def test_a_trained_model_with_dropout_learns_and_predicts_in_the_images_order(digits: TrainingData) -> None:
    model = build_cnn(dropout=0.2, optimizer=keras.optimizers.Adam(0.01))

    history = train(model, digits, TrainingPlan(epochs=12, batch_size=32, seed=0), on_epoch=ignore)
    probabilities = predict_probabilities(model, digits.validation.images)

    assert history.epochs[-1].val_accuracy > 0.85
    accuracy = (probabilities.argmax(1) == digits.validation.labels).mean()
    assert accuracy == pytest.approx(history.epochs[-1].val_accuracy)
    assert probabilities.shape == (100, 10)
    assert probabilities.dtype == np.float32
    assert predict_probabilities(model, digits.validation.images[:0]).shape == (0, 10)


def test_an_average_of_the_weights_replaces_them_and_training_may_be_repeated(digits: TrainingData) -> None:
    model = build_cnn(optimizer=keras.optimizers.Adam(0.01, use_ema=True))
    plan = TrainingPlan(epochs=1, batch_size=32, seed=0)

    train(model, digits, plan, on_epoch=ignore)
    averages = [read_variable(v) for v in model.optimizer.variables if v.name.endswith("average")]

    for weight, average in zip(model.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(read_variable(weight), average)
    predict_probabilities(model, digits.validation.images)
    train(model, digits, plan, on_epoch=ignore)


def test_without_validation_images_nothing_is_measured_on_them(digits: TrainingData) -> None:
    data = TrainingData(train=digits.train, validation=None)

    history = train(build_mlp(), data, TrainingPlan(epochs=1, batch_size=32, seed=0), on_epoch=ignore)

    assert history.epochs[0].val_loss is None
    assert history.epochs[0].val_accuracy is None
    assert history.epochs[0].loss > 0


def test_a_batch_larger_than_the_data_is_one_step(digits: TrainingData) -> None:
    model = build_mlp()

    train(model, digits, TrainingPlan(epochs=2, batch_size=1000, seed=0), on_epoch=ignore)

    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 2


def test_random_layers_of_the_model_draw_anew_in_each_step_and_not_in_validation(digits: TrainingData) -> None:
    layers = keras.layers
    distortions = [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomContrast(0.2),
        layers.GaussianNoise(0.1),
    ]
    stack = [layers.Input((8, 8, 1)), layers.Rescaling(2.0, -1.0), *distortions, layers.Flatten()]
    model = keras.Sequential([*stack, layers.Dense(10, activation="softmax")])
    # Weights that stay show the draws alone.
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", metrics=["accuracy"])

    epochs = train(model, digits, TrainingPlan(epochs=3, batch_size=32, seed=0), on_epoch=ignore).epochs

    assert len({result.loss for result in epochs}) == 3
    assert len({result.val_loss for result in epochs}) == 1


def test_a_subclassed_model_is_built_and_trained(digits: TrainingData) -> None:
    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")

        def call(self, x: Any) -> Any:
            return self.dense(self.flatten(x))

    model = Subclassed()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    history = train(model, digits, TrainingPlan(epochs=2, batch_size=32, seed=0), on_epoch=ignore)

    assert history.epochs[1].loss < history.epochs[0].loss


def test_equal_plans_give_equal_curves_and_other_seeds_others(digits: TrainingData) -> None:
    def curve(seed: int) -> Any:
        keras.utils.set_random_seed(0)
        plan = TrainingPlan(epochs=2, batch_size=32, seed=seed)
        return [result.loss for result in train(build_cnn(dropout=0.2), digits, plan, on_epoch=ignore).epochs]

    assert curve(1) == curve(1)
    assert curve(1) != curve(2)


def test_the_log_says_which_loop_trains(digits: TrainingData, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tuner.training"):
        train(build_mlp(), digits, TrainingPlan(epochs=1, batch_size=32, seed=0), on_epoch=ignore)

    assert f"Training with whole-epoch programs on {keras.backend.backend()}." in caplog.messages


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX alone calls steps one by one on a CPU")
def test_an_epoch_scanned_as_on_a_gpu_is_the_one_of_single_steps(
    digits: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuner.training.programs import jax as jax_programs

    augmentation = Augmentation.only(rotation=10, elastic=0.05, cutout=0.2, mixup=0.3)
    plan = TrainingPlan(epochs=2, batch_size=32, seed=1, augmentation=augmentation, annealing=Annealing(rule="cosine"))

    def run() -> Any:
        keras.utils.set_random_seed(0)
        return [(r.loss, r.val_loss) for r in train(build_cnn(dropout=0.2), digits, plan, on_epoch=ignore).epochs]

    single = run()
    PROGRAMS.clear()
    monkeypatch.setattr(jax_programs, "platform", lambda: "gpu")

    np.testing.assert_allclose(run(), single, rtol=1e-3)
