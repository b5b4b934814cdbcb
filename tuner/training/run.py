"""One training run: train, validate, write the checkpoint, tell the caller; epoch after epoch."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import keras

from tuner.artifacts import ArtifactNotWrittenError, ArtifactStoreAwayError
from tuner.errors import TunerError
from tuner.training.batches import accept_soft_targets
from tuner.training.checkpoint import Checkpoint
from tuner.training.devices import translate_device_errors
from tuner.training.epoch_loop import train_whole_epochs
from tuner.training.epoch_programs import why_not_whole_epochs
from tuner.training.fit_call import FitCall, read_fit_call, replaced_fit, why_not_handed_on
from tuner.training.history import TrainingHistory
from tuner.training.keras_loop import (
    EpochReporter,
    NoEpochReportedError,
    call_hypermodel_fit,
    fit_with_keras,
    hand_over,
    takes_initial_epoch,
)
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.progress import OnEpoch, TrainingRun
from tuner.training.reuse import forget_programs
from tuner.training.variables import build_variables, finalize_weights, separate_average

logger = logging.getLogger("tuner.training")


class UncompiledModelError(TunerError):
    """The builder returned a model that cannot be trained."""


def train(
    model: keras.Model,
    data: TrainingData,
    plan: TrainingPlan,
    *,
    on_epoch: OnEpoch,
    checkpoint: Checkpoint | None = None,
    hypermodel_fit: Callable[..., Any] | None = None,
    hyperparameters: Any = None,
) -> TrainingHistory:
    """Train a compiled model, from the epoch after its checkpoint's last one if there is one.

    The model must have been built after `session.seed_everything`; data order and augmentation come from the plan's
    seed. An average of the weights (`use_ema`) replaces them after the last epoch, as in `Model.fit`.

    Args:
        model: Compiled, for float32 images in [0, 1], ending in class probabilities. It is changed.
        data: What to train and to measure on.
        plan: How.
        on_epoch: Told each epoch's result after its checkpoint is written, first those that the checkpoint held: a
            worker that died after writing it may not have passed them on. What it raises ends the run unchanged.
        checkpoint: Where the state of the last epochs is kept; the caller deletes it when the result is safe.
        hypermodel_fit: A HyperModel's own `fit`, called once in place of our loop; where it only hands its arguments
            on to `model.fit`, that call trains by our programs, see `fit_call`.
        hyperparameters: Its first argument.

    Raises:
        NanLossError: The loss is not finite.
        UncompiledModelError: `model.compile` was not called.
        SoftTargetsError: Images are to be mixed, and the model's loss takes class indices in a way of its own.
        NoEpochReportedError: The HyperModel's own `fit` called no callback.
        AnnealingError: The model's optimizer has a learning rate of its own that cannot be set.
        DeviceMemoryError: The device has too little memory for this model and batch size.
        DeviceLostError: The device failed; a fresh process may go on from the checkpoint.
    """
    if not model.compiled:
        raise UncompiledModelError(
            "Received a model that is not compiled. Expected the builder to call model.compile(optimizer, loss, "
            "metrics=['accuracy']) before it returns."
        )
    with translate_device_errors(), _stored(checkpoint):
        build_variables(model, data.train.image_format.shape)
        run = TrainingRun(model, data, plan, on_epoch=on_epoch, checkpoint=checkpoint)
        if hypermodel_fit is not None:
            _train_with_hypermodel(run, hypermodel_fit, hyperparameters)
        elif reason := _why_not_whole_epochs(run):
            logger.info("Training with Keras' own loop: %s.", reason)
            _train_with_keras(run)
        else:
            logger.info("Training with whole-epoch programs on %s.", keras.backend.backend())
            train_whole_epochs(run, FitCall(batch_size=plan.batch_size, epochs=plan.epochs))
    return TrainingHistory(resumed_from=run.resumed_from, epochs=tuple(run.epochs))


@contextmanager
def _stored(checkpoint: Checkpoint | None) -> Iterator[None]:
    """See to it that the last snapshot is stored when the run ends, in whatever way."""
    try:
        yield
    except BaseException:
        # What ended the run says more than that its last snapshot could not be stored.
        with suppress(ArtifactNotWrittenError, ArtifactStoreAwayError):
            _flush(checkpoint)
        raise
    _flush(checkpoint)


def _why_not_whole_epochs(run: TrainingRun) -> str:
    reason = why_not_whole_epochs(run.model, run.data)
    if reason:
        # It may be the memory that the last model's programs hold; and Keras' own loop has no use for them.
        forget_programs()
        reason = why_not_whole_epochs(run.model, run.data)
    return reason


def _flush(checkpoint: Checkpoint | None) -> None:
    if checkpoint is not None:
        checkpoint.flush()


def _train_with_keras(run: TrainingRun) -> None:
    if run.plan.augmentation and run.plan.augmentation.mixes:
        accept_soft_targets(run.model)
    run.resume()
    if run.finished:
        return finalize_weights(run.model)
    fit_with_keras(
        run.model,
        run.data,
        run.plan,
        first_epoch=run.resumed_from + 1,
        begin_epoch=run.learning_rates,
        finish_epoch=run.finish_epoch,
    )
    return separate_average(run.model)


def _train_with_hypermodel(run: TrainingRun, hypermodel_fit: Callable[..., Any], hyperparameters: Any) -> None:
    model, fit = run.model, run.model.fit
    if takes_initial_epoch(hypermodel_fit):
        run.resume()
    handed = hand_over(
        model,
        run.data,
        EpochReporter(run.learning_rates, run.finish_epoch),
        initial_epoch=run.resumed_from,
    )
    n_calls = 0

    def train_as_called(arguments: dict[str, Any]) -> keras.callbacks.History:
        nonlocal n_calls
        n_calls += 1
        reason = "it calls model.fit again" if n_calls > 1 else why_not_handed_on(arguments, handed)
        if reason := reason or _why_not_whole_epochs(run):
            logger.info("Training with the HyperModel's own fit and Keras' own loop: %s.", reason)
            return fit(**{name: value for name, value in arguments.items() if name != "self"})
        call = read_fit_call(arguments, handed)
        logger.info(
            "Training with whole-epoch programs on %s, as the HyperModel's own fit asks.", keras.backend.backend()
        )
        run.follow(call)
        return train_whole_epochs(run, call)

    with replaced_fit(model, train_as_called):
        call_hypermodel_fit(hypermodel_fit, hyperparameters, model, handed, epochs=run.plan.epochs)
    if not n_calls:
        logger.info("Trained with the HyperModel's own fit, which does not call model.fit.")
    if not run.epochs:
        raise NoEpochReportedError(
            "The HyperModel's fit reported no epoch. Expected it to pass its callbacks on: model.fit(..., **kwargs)."
        )
    return separate_average(model)
