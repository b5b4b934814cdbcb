"""Rules of training against Keras' own, by whole-epoch programs and by Keras' own loop, and resumed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from small_models import build_mlp

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.training.batches import scale
from tuner.training.checkpoint import Checkpoint
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.rules import weigh_classes
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training_settings import Augmentation, Training

PLAN = TrainingPlan(epochs=3, batch_size=32, seed=1, shuffle=False)
#: Its validation accuracy goes up and down.
BOUNCING = keras.optimizers.SGD, {"learning_rate": 0.9, "momentum": 0.95}


class OwnStep(keras.Sequential):
    """Overrides `train_step` and changes nothing, so that Keras' own loop trains it."""

    def train_step(self, *arguments: Any) -> Any:
        return super().train_step(*arguments)


def ignore(result: Epoch) -> None:
    """Look at no epoch."""


def build(optimizer: Any, *, by_keras: bool = False, **compiled: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    plain = build_mlp()
    model = (OwnStep if by_keras else keras.Sequential)([keras.layers.Input((8, 8, 1)), *plain.layers])
    model.compile(
        **{"optimizer": optimizer, "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]} | compiled
    )
    return model


def arrays(data: TrainingData) -> dict[str, Any]:
    assert data.validation is not None
    x, x_val = (ops.convert_to_numpy(scale(part.images)) for part in (data.train, data.validation))
    y, y_val = (np.eye(10, dtype=np.float32)[part.labels] for part in (data.train, data.validation))
    return {"x": x, "y": y, "validation_data": (x_val, y_val), "batch_size": 32, "shuffle": False, "verbose": 0}


def check_same_weights(ours: keras.Model, theirs: keras.Model) -> None:
    for mine, his in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, his, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("by_keras", [False, True])
def test_smoothing_decay_average_and_class_weights_are_those_of_keras(digits: TrainingData, *, by_keras: bool) -> None:
    weights = [1.0, 3.0, *[1.0] * 7, 0.25]
    rules = Training(label_smoothing=0.2, weight_decay=0.05, ema_momentum=0.8, class_weights=tuple(weights))
    theirs_by = keras.optimizers.SGD(
        0.1, momentum=0.9, nesterov=True, weight_decay=0.05, use_ema=True, ema_momentum=0.8
    )
    theirs_by.exclude_from_weight_decay(var_names=["bias"])
    ours = build(keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), by_keras=by_keras)
    theirs = build(theirs_by, loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.2))

    history = train(ours, digits, replace(PLAN, training=rules), on_epoch=ignore)
    expected = theirs.fit(
        **arrays(digits), epochs=3, class_weight=dict(enumerate(weights)), callbacks=[keras.callbacks.SwapEMAWeights()]
    ).history

    check_same_weights(ours, theirs)
    np.testing.assert_allclose([epoch.val_loss for epoch in history.epochs], expected["val_loss"], rtol=1e-3)
    np.testing.assert_allclose([epoch.val_accuracy for epoch in history.epochs], expected["val_accuracy"], atol=0.011)
    np.testing.assert_allclose([epoch.loss for epoch in history.epochs], expected["loss"], rtol=1e-3)


@pytest.mark.parametrize("by_keras", [False, True])
def test_early_stopping_stops_when_keras_stops_and_restores_what_keras_restores(
    digits: TrainingData, *, by_keras: bool
) -> None:
    kind, settings = BOUNCING
    ours, theirs = build(kind(**settings), by_keras=by_keras), build(kind(**settings), loss="categorical_crossentropy")
    stopping = keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=2, restore_best_weights=True)
    notes: list[str] = []

    plan = replace(PLAN, epochs=30, training=Training(early_stopping=2))
    history = train(ours, digits, plan, on_epoch=ignore, on_note=notes.append)
    expected = theirs.fit(**arrays(digits), epochs=30, callbacks=[stopping]).history

    assert len(history.epochs) == len(expected["val_accuracy"]) < 30
    assert history.restored_epoch == stopping.best_epoch + 1 == len(history.epochs) - 2
    n, best = len(history.epochs), history.restored_epoch
    assert notes == [f"Stopped after epoch {n} of 30: 2 without a better score. The weights are those of epoch {best}."]
    check_same_weights(ours, theirs)


@pytest.mark.parametrize("by_keras", [False, True])
def test_a_run_resumed_after_any_epoch_keeps_average_wait_and_best_weights(
    digits: TrainingData, tmp_path: Path, *, by_keras: bool
) -> None:
    rules = Training(early_stopping=2, ema_momentum=0.5, label_smoothing=0.1, class_weights="balanced")
    plan = replace(PLAN, epochs=30, shuffle=True, augmentation=Augmentation.only(mixup=0.4), training=rules)

    class DiedError(Exception):
        pass

    def run(die_after: int | None, folder: str) -> keras.Model:
        def on_epoch(result: Epoch) -> None:
            if result.epoch == die_after:
                raise DiedError

        kind, settings = BOUNCING
        model = build(kind(**settings), by_keras=by_keras)
        train(model, digits, plan, on_epoch=on_epoch, checkpoint=Checkpoint(ArtifactStore(str(tmp_path)), folder))
        return model

    undisturbed: list[Epoch] = []
    expected = build(BOUNCING[0](**BOUNCING[1]), by_keras=by_keras)
    best = train(expected, digits, plan, on_epoch=undisturbed.append).restored_epoch
    assert best is not None
    # After the best epoch, and when the run had stopped.
    for die_after in (best + 1,) if by_keras else (best + 1, len(undisturbed)):
        with pytest.raises(DiedError):
            run(die_after, f"{die_after}")
        resumed = run(None, f"{die_after}")

        for mine, his in zip(resumed.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(read_variable(mine), read_variable(his))


def test_the_divergence_is_smoothed_as_the_cross_entropy_of_equal_gradients(digits: TrainingData) -> None:
    models = [build("sgd", loss=loss) for loss in (keras.losses.KLDivergence(), "categorical_crossentropy")]
    for model in models:
        train(model, digits, replace(PLAN, epochs=1, training=Training(label_smoothing=0.1)), on_epoch=ignore)

    check_same_weights(*models)


def test_a_class_that_is_not_named_weighs_one(digits: TrainingData) -> None:
    weights = weigh_classes(Training(class_weights={"3": 2.5, "0": 0.0}), digits.train)

    assert weights == {index: {0: 0.0, 3: 2.5}.get(index, 1.0) for index in range(10)}


def test_balanced_class_weights_give_each_class_the_same_part_of_the_loss(digits: TrainingData) -> None:
    few = digits.train.take(np.flatnonzero((digits.train.labels != 3) | (np.arange(250) < 60)))
    weights = weigh_classes(Training(class_weights="balanced"), few)

    assert weights is not None
    parts = [weights[index] * (few.labels == index).sum() for index in range(10)]
    np.testing.assert_allclose(parts, len(few) / 10)
    assert weigh_classes(Training(), few) is None


@pytest.mark.parametrize(
    ("rules", "compiled", "message"),
    [
        (Training(label_smoothing=0.1), {"loss": "mse"}, r"training.label_smoothing .* loss mse, .* cannot have it"),
        (Training(label_smoothing=0.1), {"loss": "binary_crossentropy"}, "the loss binary_crossentropy"),
        (Training(class_weights={"10": 2.0}), {}, "weight in training.class_weights for '10', which is no class"),
        (Training(class_weights=(1.0, 2.0)), {}, "2 numbers in training.class_weights for 10 classes"),
    ],
)
def test_a_rule_that_the_model_cannot_have_is_one_clear_line(
    digits: TrainingData, rules: Training, compiled: dict[str, Any], message: str
) -> None:
    with pytest.raises(TunerError, match=message):
        train(build("sgd", **compiled), digits, replace(PLAN, training=rules), on_epoch=ignore)


def test_an_optimizer_that_cannot_average_or_decay_is_one_clear_line(digits: TrainingData) -> None:
    model = build("sgd")
    model.optimizer.build(model.trainable_variables)

    with pytest.raises(TunerError, match=r"training.ema_momentum for an optimizer that has its variables already, SGD"):
        train(model, digits, replace(PLAN, training=Training(ema_momentum=0.9)), on_epoch=ignore)
