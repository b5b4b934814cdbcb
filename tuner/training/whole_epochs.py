"""Training by whole-epoch programs: the loop around them, and the callbacks that a custom `fit` passes."""

import math
import time
from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.training.epoch_draws import draw_epoch
from tuner.training.fit_call import FitCall
from tuner.training.programs import build_metrics
from tuner.training.programs.interface import EpochProgram, Measured
from tuner.training.rules import averaged_weights
from tuner.training.run import TrainingRun, refuse_nan_loss
from tuner.training.variables import current_learning_rate, finalize_weights


def train_whole_epochs(run: TrainingRun, call: FitCall) -> keras.callbacks.History:
    """Train the run's remaining epochs as `Model.fit` would, callbacks included, and return what it returns.

    The run's plan has the call's batch size, epochs and order, see `TrainingRun.follow`.
    """
    run.accept_soft_targets()
    model, plan = run.model, run.plan
    build_metrics(model, run.data.train, plan.settled_labels)
    program: EpochProgram | None = None
    callbacks = _list_callbacks(run, call)
    model.stop_training = False
    callbacks.on_train_begin()
    run.resume()
    _repeat_restored_epochs(run, callbacks, call.callbacks)
    for epoch in range(run.resumed_from + 1, plan.epochs + 1):
        if model.stop_training:
            break
        callbacks.on_epoch_begin(epoch - 1)
        rates = run.begin_epoch(epoch)
        # Not before: a program has as constants what callbacks have changed of the model until its first step.
        program = program or run.programs.open(
            model, run.data, plan, class_weight=call.class_weight, with_answers=run.wants_answers
        )
        started = time.perf_counter()
        logs, answers = _train_and_validate(run, program, callbacks, epoch=epoch, rates=rates)
        duration_s, rate = time.perf_counter() - started, current_learning_rate(model)
        callbacks.on_epoch_end(epoch - 1, logs)
        kept = _kept_weights(call.callbacks)
        run.finish_epoch(epoch, logs, duration_s, learning_rate=rate, kept=kept, answers=answers)
    finalize_weights(model)
    callbacks.on_train_end(run.logs[-1] if run.logs else None)
    return model.history


def _list_callbacks(run: TrainingRun, call: FitCall) -> keras.callbacks.CallbackList:
    return keras.callbacks.CallbackList(
        list(call.callbacks),
        add_history=True,
        add_progbar=call.verbose != 0,
        model=run.model,
        verbose=call.verbose,
        epochs=run.plan.epochs,
        steps=math.ceil(len(run.data.train) / run.plan.batch_size),
    )


def _train_and_validate(
    run: TrainingRun,
    program: EpochProgram,
    callbacks: keras.callbacks.CallbackList,
    *,
    epoch: int,
    rates: NDArray[np.float32] | None,
) -> Measured:
    """Run one epoch (from 1) and return its logs, `val_` included, with the answers on the validation set."""
    images = run.data.train
    draws = draw_epoch(
        run.plan,
        epoch=epoch,
        n_images=len(images),
        image_shape=images.image_format.shape,
        learning_rates=rates,
        part=run.part_of(epoch),
    )
    logs = program.train_epoch(draws)
    refuse_nan_loss(epoch, logs)
    run.await_checkpoint()
    if run.data.validation is None:
        return Measured(logs)
    callbacks.on_test_begin()
    with averaged_weights(run.model, run.plan.training):
        measured = program.validate()
    callbacks.on_test_end(measured.logs)
    return Measured(logs | {f"val_{name}": value for name, value in measured.logs.items()}, measured.answers)


def _repeat_restored_epochs(
    run: TrainingRun, callbacks: keras.callbacks.CallbackList, own: Sequence[keras.callbacks.Callback]
) -> None:
    """Tell new callbacks of the epochs that a checkpoint held, so that they reach the state that they had."""
    for index, (result, logs) in enumerate(zip(run.epochs, run.logs, strict=True)):
        callbacks.on_epoch_begin(index)
        if isinstance(getattr(run.model.optimizer, "learning_rate", None), keras.Variable):
            run.model.optimizer.learning_rate = result.learning_rate
        callbacks.on_epoch_end(index, dict(logs))
    kept = run.restore()
    for callback in _keepers(own):
        n_weights = len(callback.best_weights)
        callback.best_weights, kept = list(kept[:n_weights]), kept[n_weights:]


def _kept_weights(callbacks: Sequence[keras.callbacks.Callback]) -> tuple[NDArray[np.generic], ...]:
    return tuple(weight for callback in _keepers(callbacks) for weight in callback.best_weights)


def _keepers(callbacks: Sequence[keras.callbacks.Callback]) -> list[keras.callbacks.Callback]:
    """Return the callbacks that hold the weights of the best epoch."""
    stoppers = [callback for callback in callbacks if isinstance(callback, keras.callbacks.EarlyStopping)]
    return [callback for callback in stoppers if callback.best_weights is not None]
