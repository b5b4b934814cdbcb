"""A person's own callbacks: which of their methods are called, whoever runs the epochs, and what becomes of errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import pytest
from small_models import build_mlp

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.training.callbacks import CallbackError, RunCallbacks
from tuner.training.checkpoint import Checkpoint
from tuner.training.own_fit import OwnFit
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.train import train

PLAN = TrainingPlan(epochs=2, batch_size=125, seed=2)
HOOKS = [
    f"on_{what}_{when}"
    for what in ("train", "epoch", "test", "predict", "train_batch", "test_batch", "predict_batch")
    for when in ("begin", "end")
]


class Notes(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Notes which of its methods are called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []
        self.logs: list[Mapping[str, float]] = []
        for name in HOOKS:
            setattr(self, name, self._noting(name))

    def _noting(self, name: str) -> Any:
        def note(*arguments: Any) -> None:
            self.called.append(f"{name} {arguments[0]}" if isinstance(arguments[0], int) else name)
            if name == "on_epoch_end":
                self.logs.append(arguments[1])

        return lambda *arguments: note(*(arguments or (None,)))


class Breaks(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Fails after the first epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        raise ConnectionError("no tracker\nanswers")


class StopsEarly(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Asks for the end after the first epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        del epoch, logs
        self.model.stop_training = True


class OwnStep(keras.Model):  # type: ignore[misc] # Keras ships no types
    """Overrides `train_step`, so that Keras' own loop trains it."""

    def train_step(self, *arguments: Any) -> Any:
        return super().train_step(*arguments)


def own_step() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    model = OwnStep(inputs, keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(inputs)))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


def custom_loop(_hp: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> None:
    for epoch in range(kwargs["epochs"]):
        logs = model.train_on_batch(x[:50], y[:50], return_dict=True)
        for callback in kwargs["callbacks"]:
            callback.on_epoch_end(epoch, {**logs, "val_accuracy": 0.5, "val_loss": 1.0})


WHOLE = ["on_epoch_begin 0", "on_epoch_end 0", "on_epoch_begin 1", "on_epoch_end 1"]


@pytest.mark.parametrize("loop", ["whole-epoch programs", "Keras' own"])
def test_the_same_four_methods_are_called_by_every_loop(digits: TrainingData, loop: str) -> None:
    notes = Notes()
    model = build_mlp() if loop == "whole-epoch programs" else own_step()
    callbacks = RunCallbacks({"mine:Notes": notes}, {"study": "s", "trial": 3})

    history = train(model, digits, PLAN, on_epoch=lambda _: None, callbacks=callbacks)

    assert notes.called == ["on_train_begin", *WHOLE, "on_train_end"]
    assert notes.model is model
    assert {key: notes.params[key] for key in ("study", "trial", "epochs", "steps", "initial_epoch")} == {
        "study": "s", "trial": 3, "epochs": 2, "steps": 2, "initial_epoch": 0,
    }  # fmt: skip
    assert [logs["val_accuracy"] for logs in notes.logs] == [epoch.val_accuracy for epoch in history.epochs]


def test_a_loop_of_ones_own_that_tells_only_of_ends_begins_the_run_too(digits: TrainingData) -> None:
    notes = Notes()
    own_fit = OwnFit(function=custom_loop, hyperparameters=None)

    train(build_mlp(), digits, PLAN, on_epoch=lambda _: None, own_fit=own_fit, callbacks=RunCallbacks({"m:N": notes}))

    assert notes.called == ["on_train_begin", "on_epoch_begin 0", "on_epoch_end 0", "on_epoch_end 1", "on_train_end"]


def test_a_resumed_run_tells_new_callbacks_of_its_further_epochs_alone(digits: TrainingData, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(_: Epoch) -> None:
        raise StopError

    def checkpoint(writer: int) -> Checkpoint:
        return Checkpoint(ArtifactStore(str(tmp_path)), "c", writer=writer)

    first, second = Notes(), Notes()
    with pytest.raises(StopError):
        train(
            build_mlp(), digits, PLAN, on_epoch=stop, checkpoint=checkpoint(1), callbacks=RunCallbacks({"m:N": first})
        )
    train(
        build_mlp(), digits, PLAN, on_epoch=lambda _: None, checkpoint=checkpoint(2),
        callbacks=RunCallbacks({"m:N": second}),
    )  # fmt: skip

    assert first.called == ["on_train_begin", "on_epoch_begin 0", "on_epoch_end 0", "on_train_end"]
    assert second.called == ["on_train_begin", "on_epoch_begin 1", "on_epoch_end 1", "on_train_end"]
    assert second.params["initial_epoch"] == 1


def test_a_callback_that_raises_is_left_out_and_told_of_and_costs_no_epoch(digits: TrainingData) -> None:
    notes, sentences = Notes(), list[str]()
    callbacks = RunCallbacks({"mine:Breaks": Breaks(), "mine:Notes": notes})

    history = train(build_mlp(), digits, PLAN, on_epoch=lambda _: None, on_note=sentences.append, callbacks=callbacks)

    assert len(history.epochs) == 2
    assert notes.called == ["on_train_begin", *WHOLE, "on_train_end"]
    (sentence,) = sentences
    assert sentence == (
        "The callback mine:Breaks raised ConnectionError in on_epoch_end: no tracker answers. It was not called any "
        "more in this training."
    )


def test_a_preflight_raises_what_a_callback_raises(digits: TrainingData) -> None:
    callbacks = RunCallbacks({"mine:Breaks": Breaks()}, is_trial_of_them=True)

    with pytest.raises(CallbackError, match="mine:Breaks raised ConnectionError in on_epoch_end"):
        train(build_mlp(), digits, PLAN, on_epoch=lambda _: None, callbacks=callbacks)


def test_a_callback_may_end_the_training(digits: TrainingData) -> None:
    callbacks = RunCallbacks({"mine:StopsEarly": StopsEarly()})

    history = train(build_mlp(), digits, PLAN, on_epoch=lambda _: None, callbacks=callbacks)

    assert len(history.epochs) == 1
