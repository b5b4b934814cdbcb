"""A HyperModel's `fit` that only hands its arguments on to `model.fit`, by whole-epoch programs and by Keras."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_models import build_mlp

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.training.checkpoint import Checkpoint
from tuner.training.fit_call import FitArguments, find_call_refusal, replaced_fit, validates_on_its_own
from tuner.training.history import TrainingHistory
from tuner.training.keras_loop import to_pictures, to_targets, validation_arrays
from tuner.training.own_fit import OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training.weight_files import WeightFiles

pytestmark = pytest.mark.usefixtures("kernels_stay")

PLAN = TrainingPlan(epochs=6, batch_size=32, seed=2)
OURS = f"Training with whole-epoch programs on {keras.backend.backend()}, as the HyperModel's own fit asks."

Fit = Callable[..., Any]


class StopError(Exception):
    pass


class HyperParameters:
    """The part of KerasTuner's that these fits use."""

    def Choice(self, name: str, values: list[int]) -> int:  # noqa: N802 - KerasTuner's name
        del name
        return values[-1]

    Int = Choice


def documented_fit(hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
    """KerasTuner's guide, "tune the training process"."""
    return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 50]), **kwargs)


def passing(**own: Any) -> Fit:
    """Return a fit that adds these arguments of `model.fit`, callbacks to those that it is given."""

    def fit(hp: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
        del hp
        callbacks = kwargs.pop("callbacks") + [make() for make in own.get("callbacks", [])]
        return model.fit(x, y, **{**kwargs, **own, "callbacks": callbacks})

    return fit


def run(
    fit: Fit, data: TrainingData, *, on_epoch: Any = lambda _: None, checkpoint: Any = None, optimizer: Any = "adam"
) -> tuple[TrainingHistory, Any]:
    """Train a small net that begins with the same weights each time; return its model too."""
    keras.utils.set_random_seed(0)
    model = build_mlp(optimizer=keras.optimizers.get(optimizer))
    history = train(
        model,
        data,
        PLAN,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        own_fit=OwnFit(function=fit, hyperparameters=HyperParameters()),
    )
    return history, model


@pytest.fixture(scope="module")
def net_of_keras() -> tuple[keras.Model, list[Any]]:
    """The net with which `run` begins, for Keras' `fit` alone, which traces it once, and its state then."""
    keras.utils.set_random_seed(0)
    model = build_mlp()
    model.optimizer.build(model.trainable_variables)
    return model, [read_variable(variable) for variable in (*model.variables, *model.optimizer.variables)]


def by_keras(fit: Fit, data: TrainingData, net: tuple[keras.Model, list[Any]]) -> keras.callbacks.History:
    """Call the same fit as KerasTuner does, without this package, on the net as it was."""
    model, begin = net
    for variable, value in zip((*model.variables, *model.optimizer.variables), begin, strict=True):
        variable.assign(value)
    x, x_val = (part.images.astype(np.float32) / 255 for part in (data.train, data.validation))
    history: keras.callbacks.History = fit(
        HyperParameters(),
        model,
        x,
        data.train.labels.astype(np.int32),
        validation_data=(x_val, data.validation.labels.astype(np.int32)),
        epochs=PLAN.epochs,
        callbacks=[],
    )
    return history


def curve(history: TrainingHistory) -> Any:
    return [(r.epoch, r.loss, r.accuracy, r.val_loss, r.val_accuracy, r.learning_rate) for r in history.epochs]


def test_kerastuners_documented_way_to_tune_the_batch_size_trains_by_whole_epoch_programs(
    digits: TrainingData, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Epoch] = []

    with caplog.at_level(logging.INFO, logger="tuner.training"):
        history, model = run(documented_fit, digits, on_epoch=seen.append)

    assert OURS in caplog.messages
    assert int(read_variable(model.optimizer.iterations)) == 6 * 5, "batches of 50"
    assert tuple(seen) == history.epochs
    assert [result.epoch for result in seen] == [1, 2, 3, 4, 5, 6]


HANDED_ON: dict[str, Fit] = {
    "batch size": passing(batch_size=48, shuffle=False),
    "keras' own batch size": passing(shuffle=False),
    "epochs": passing(epochs=2, shuffle=False),
    "class weights": passing(class_weight={0: 5.0, 3: 0.1}, shuffle=False, batch_size=100),
    "early stopping": passing(
        callbacks=[lambda: keras.callbacks.EarlyStopping("loss", min_delta=0.2, patience=1)], shuffle=False
    ),
    "the best weights": passing(
        callbacks=[
            lambda: keras.callbacks.EarlyStopping("val_loss", mode="max", patience=3, restore_best_weights=True)
        ],
        shuffle=False,
    ),
    "a falling rate": passing(
        callbacks=[
            lambda: keras.callbacks.ReduceLROnPlateau("loss", min_delta=0.1, patience=1, factor=0.3, min_lr=2e-4)
        ],
        shuffle=False,
    ),
    "a schedule": passing(
        callbacks=[lambda: keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.8 if epoch else 0.01)],
        shuffle=False,
    ),
}


@pytest.mark.parametrize("case", HANDED_ON)
def test_what_is_handed_on_is_done_as_keras_does_it(
    case: str, digits: TrainingData, net_of_keras: tuple[keras.Model, list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    returned: list[keras.callbacks.History] = []

    def fit(*args: Any, **kwargs: Any) -> None:
        returned.append(HANDED_ON[case](*args, **kwargs))

    with caplog.at_level(logging.INFO, logger="tuner.training"):
        history, ours = run(fit, digits)
    expected, theirs = by_keras(HANDED_ON[case], digits, net_of_keras), net_of_keras[0]

    assert OURS in caplog.messages
    assert isinstance(returned[0], keras.callbacks.History)
    assert returned[0].epoch == expected.epoch
    assert sorted(returned[0].history) == sorted(expected.history)
    for name, values in expected.history.items():
        np.testing.assert_allclose(returned[0].history[name], values, rtol=2e-4, err_msg=name)
    assert [result.epoch for result in history.epochs] == [epoch + 1 for epoch in expected.epoch]
    for mine, his in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, his, rtol=2e-3, atol=2e-4)


def test_class_weights_change_the_loss_of_one_hot_targets_too(digits: TrainingData) -> None:
    def loss(**own: Any) -> Any:
        keras.utils.set_random_seed(0)
        model = build_mlp(loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(0.0))
        history = train(
            model, digits, PLAN, on_epoch=lambda _: None, own_fit=OwnFit(function=passing(**own), hyperparameters=None)
        )
        return history.epochs[0].loss

    halved = loss(class_weight=dict.fromkeys(range(10), 0.5))

    assert halved == pytest.approx(loss() / 2, rel=1e-5)


def test_images_are_shuffled_unless_the_fit_forbids_it(digits: TrainingData) -> None:
    shuffled, stored_order = (run(passing(**own), digits)[1].get_weights()[1] for own in ({}, {"shuffle": False}))

    assert not np.allclose(shuffled, stored_order, rtol=2e-3, atol=2e-4)


RESUMABLE: dict[str, Fit] = {
    "documented": documented_fit,
    "without initial_epoch": lambda hp, model, x, y, validation_data, epochs, callbacks: documented_fit(
        hp, model, x, y, validation_data=validation_data, epochs=epochs, callbacks=callbacks
    ),
    "more epochs": passing(epochs=8),
    "stopping": passing(
        callbacks=[
            lambda: keras.callbacks.EarlyStopping("val_loss", mode="max", patience=3, restore_best_weights=True),
            lambda: keras.callbacks.EarlyStopping("loss", min_delta=0.01, patience=2, restore_best_weights=True),
        ]
    ),
    "falling": HANDED_ON["a falling rate"],
    "scheduled": HANDED_ON["a schedule"],
}


@pytest.mark.parametrize("case", RESUMABLE)
def test_a_resumed_fit_is_the_undisturbed_one_with_its_callbacks(
    case: str, digits: TrainingData, tmp_path: Path
) -> None:
    def die(result: Epoch) -> None:
        if result.epoch == 3:
            raise StopError

    checkpoint = Checkpoint(ArtifactStore(str(tmp_path)), "run")
    with pytest.raises(StopError):
        run(RESUMABLE[case], digits, on_epoch=die, checkpoint=checkpoint, optimizer="sgd")
    resumed, model = run(RESUMABLE[case], digits, checkpoint=checkpoint, optimizer="sgd")
    undisturbed, expected = run(RESUMABLE[case], digits, optimizer="sgd")

    assert resumed.resumed_from == 3
    assert curve(resumed) == curve(undisturbed)
    for mine, his in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, his)


def test_a_fit_that_had_finished_trains_no_more(digits: TrainingData, tmp_path: Path) -> None:
    checkpoint = Checkpoint(ArtifactStore(str(tmp_path)), "run")
    fit = RESUMABLE["stopping"]
    finished, _ = run(fit, digits, checkpoint=checkpoint)

    again, model = run(fit, digits, checkpoint=checkpoint)

    assert curve(again) == curve(finished)
    assert again.resumed_from == len(finished.epochs) == 4
    for mine, his in zip(model.get_weights(), run(fit, digits)[1].get_weights(), strict=True):
        np.testing.assert_array_equal(mine, his)


def test_epochs_may_be_tuned_although_they_are_given(digits: TrainingData) -> None:
    def fit(hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, epochs=hp.Int("epochs", [1, 3]), **kwargs)

    history, _ = run(fit, digits)

    assert len(history.epochs) == 3


class CountsSteps(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look on."""


def recompiling(_hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model.fit(*args, **kwargs)


def changing(_hp: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
    return model.fit(x * 2, y, **kwargs)


def stepping(hp: Any, model: keras.Model, x: Any, y: Any, *, epochs: int, callbacks: Any, **kwargs: Any) -> Any:
    del hp, kwargs
    for epoch in range(epochs):
        loss, accuracy = model.train_on_batch(x, y)
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"loss": loss, "accuracy": accuracy})


KERAS_OWN = {
    "it passes other training data than it was given": changing,
    "it passes other validation data than it was given": passing(validation_data=None),
    "it passes validation_split": passing(validation_split=0.1),
    "it passes steps_per_epoch": passing(steps_per_epoch=3),
    "it passes validation_freq": passing(validation_freq=2),
    "it passes sample_weight": passing(sample_weight=np.ones(250)),
    "CountsSteps works between steps or with weights": passing(callbacks=[CountsSteps]),
    "it compiles the model anew": recompiling,
    "it shuffles in a way of its own": passing(shuffle="batch"),
}


@pytest.mark.parametrize("reason", KERAS_OWN)
def test_anything_else_is_refused_with_the_reason(reason: str, digits: TrainingData) -> None:
    model = build_mlp()
    given = FitArguments(
        x=to_pictures(digits.train, white=1),
        y=to_targets(digits.train, "indices"),
        validation_data=validation_arrays(digits, "indices", white=1),
        reporter=keras.callbacks.Callback(),
        optimizer=model.optimizer,
        initial_epoch=0,
    )
    called: list[str | None] = []

    with replaced_fit(model, lambda arguments: called.append(find_call_refusal(arguments, given))):
        KERAS_OWN[reason](
            None,
            model,
            given.x,
            given.y,
            validation_data=given.validation_data,
            epochs=6,
            callbacks=[given.reporter],
        )

    assert called == [reason]


@pytest.mark.parametrize("fit", [changing, recompiling, passing(callbacks=[CountsSteps])])
def test_what_is_refused_is_left_to_keras_and_the_reason_logged(
    fit: Fit, digits: TrainingData, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tuner.training"):
        history, _ = run(fit, digits)

    (reason,) = (known for known in KERAS_OWN if f"Keras' own loop: {known}." in caplog.text)
    assert f"Training with the HyperModel's own fit and Keras' own loop: {reason}." in caplog.messages
    assert OURS not in caplog.messages
    assert len(history.epochs) == 6


def darkening(_hp: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
    x[...] = 0
    return model.fit(x, y, **{**kwargs, "epochs": 1})


def darkening_validation(_hp: Any, model: keras.Model, x: Any, y: Any, validation_data: Any, **kwargs: Any) -> Any:
    validation_data[0][...] = 0
    return model.fit(x, y, validation_data=validation_data, **{**kwargs, "epochs": 1})


@pytest.mark.parametrize("fit", [darkening, darkening_validation])
def test_a_fit_that_changes_its_arrays_in_place_trains_and_measures_on_what_it_has_made_of_them(
    fit: Fit, digits: TrainingData, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="tuner.training"):
        history, _ = run(fit, digits)

    assert "Keras' own loop: it has changed the arrays that it was given." in caplog.text
    (epoch,) = history.epochs
    # All pictures are the same.
    assert min(epoch.accuracy or 0, epoch.val_accuracy or 0) < 0.2


@pytest.mark.parametrize(
    ("passed", "is_own"),
    [
        ({"validation_data": None, "validation_split": 0.2}, True),
        ({"validation_data": None, "validation_split": 0.0}, False),
        ({"validation_data": (np.zeros(30), np.zeros(30)), "validation_split": 0.0}, True),
        ({"validation_data": (np.zeros(100), np.zeros(100)), "validation_split": 0.0}, False),
        ({"validation_data": object(), "validation_split": 0.0}, False),
    ],
)
def test_validation_on_other_images_than_the_studys_is_seen(
    passed: dict[str, Any], is_own: object, digits: TrainingData
) -> None:
    assert validates_on_its_own(passed, digits.validation) is is_own


def test_weights_that_every_run_writes_to_one_file_are_told(tmp_path: Path) -> None:
    def callbacks(folder: Path) -> list[keras.callbacks.Callback]:
        checkpoint = keras.callbacks.ModelCheckpoint(folder / "best.weights.h5", save_weights_only=True)
        return [checkpoint, keras.callbacks.BackupAndRestore(folder / "backup")]

    first, second, apart = WeightFiles(), WeightFiles(), WeightFiles()

    assert first.describe_shared(callbacks(tmp_path)) is None
    assert first.describe_shared(callbacks(tmp_path)) is None, "of the same run"
    assert apart.describe_shared(callbacks(tmp_path / "apart")) is None
    assert f"{tmp_path / 'backup'}, {tmp_path / 'best.weights.h5'} in every training" in str(
        second.describe_shared(callbacks(tmp_path))
    )


def test_a_fit_with_a_loop_of_its_own_is_let_be(digits: TrainingData, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="tuner.training"):
        history, _ = run(stepping, digits)

    assert "Trained with the HyperModel's own fit, which does not call model.fit." in caplog.messages
    assert len(history.epochs) == 6


def test_a_second_call_of_fit_is_left_to_keras(digits: TrainingData, caplog: pytest.LogCaptureFixture) -> None:
    def twice(hp: Any, model: keras.Model, x: Any, y: Any, *, callbacks: Any, **kwargs: Any) -> Any:
        del hp
        model.fit(x, y, callbacks=callbacks, **kwargs)
        return model.fit(x, y, epochs=1)

    with caplog.at_level(logging.INFO, logger="tuner.training"):
        run(twice, digits)

    assert OURS in caplog.messages
    assert any("it calls model.fit again" in message for message in caplog.messages)


def test_the_model_has_its_own_fit_again_afterwards(digits: TrainingData) -> None:
    _, model = run(documented_fit, digits)

    assert "fit" not in vars(model)
    assert model.fit(np.zeros((4, 8, 8, 1)), np.zeros(4), verbose=0).epoch == [0]
