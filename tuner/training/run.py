"""One training run: train, validate, write the checkpoint, tell the caller; epoch after epoch."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.artifacts import ArtifactNotWrittenError
from tuner.errors import TunerError
from tuner.training.annealing import AnnealingError, LearningRates, start_annealing
from tuner.training.checkpoint import Checkpoint, fingerprint, restore_model, take_snapshot
from tuner.training.devices import translate_device_errors
from tuner.training.epoch_draws import draw_epoch
from tuner.training.epoch_programs import open_epoch_program, why_not_whole_epochs
from tuner.training.history import EpochResult, TrainingHistory, epoch_result
from tuner.training.keras_loop import fit_with_hypermodel, fit_with_keras, takes_initial_epoch
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.variables import (
    build_variables,
    current_learning_rate,
    finalize_weights,
    read_variable,
    separate_average,
)

logger = logging.getLogger("tuner.training")

OnEpoch = Callable[[EpochResult], None]


class NanLossError(TunerError):
    """The loss is not a number any more, or infinite."""

    def __init__(self, epoch: int, loss: float) -> None:
        super().__init__(
            f"The loss became {loss} in epoch {epoch}. Expected a finite number: "
            f"try a lower learning rate, or clipnorm in the optimizer."
        )


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
        hypermodel_fit: A HyperModel's own `fit`, called once in place of our loop.
        hyperparameters: Its first argument.

    Raises:
        NanLossError: The loss is not finite.
        UncompiledModelError: `model.compile` was not called.
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
        elif reason := why_not_whole_epochs(model):
            logger.info("Training with Keras' own loop: %s.", reason)
            _train_with_keras(run)
        else:
            logger.info("Training with whole-epoch programs on %s.", keras.backend.backend())
            _train_whole_epochs(run)
    return TrainingHistory(resumed_from=run.resumed_from, epochs=tuple(run.epochs))


@contextmanager
def _stored(checkpoint: Checkpoint | None) -> Iterator[None]:
    """See to it that the last snapshot is stored when the run ends, in whatever way."""
    try:
        yield
    except BaseException:
        # What ended the run says more than that its last snapshot could not be stored.
        with suppress(ArtifactNotWrittenError):
            _flush(checkpoint)
        raise
    _flush(checkpoint)


def _flush(checkpoint: Checkpoint | None) -> None:
    if checkpoint is not None:
        checkpoint.flush()


class TrainingRun:
    """What lasts from epoch to epoch beside the model: results, learning rates, checkpoint."""

    def __init__(
        self,
        model: keras.Model,
        data: TrainingData,
        plan: TrainingPlan,
        *,
        on_epoch: OnEpoch,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.model, self.data, self.plan = model, data, plan
        self.epochs: list[EpochResult] = []
        self.resumed_from = 0
        self._on_epoch, self._checkpoint = on_epoch, checkpoint
        self._fingerprint = fingerprint(model, data, plan)
        self._rates = _start_rates(model, data, plan)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        snapshot = self._checkpoint.read(self._fingerprint) if self._checkpoint else None
        if snapshot is None:
            return
        restore_model(self.model, snapshot)
        if self._rates is not None:
            self._rates.restore(snapshot.annealing_state)
        self.epochs = list(snapshot.epochs)
        self.resumed_from = len(self.epochs)
        logger.info("Going on after epoch %d of %d.", self.resumed_from, self.plan.epochs)
        for epoch in self.epochs:
            self._on_epoch(epoch)

    @property
    def finished(self) -> bool:
        return len(self.epochs) >= self.plan.epochs

    def learning_rates(self, epoch: int) -> NDArray[np.float32] | None:
        """Return the rate of each step; None leaves the optimizer alone."""
        return None if self._rates is None else self._rates.of_epoch(epoch)

    def await_checkpoint(self) -> None:
        """Wait until the epoch before is stored, so that a death costs no more than the last finished one."""
        _flush(self._checkpoint)

    def finish_epoch(self, epoch: int, logs: Mapping[str, float], duration_s: float) -> None:
        """Keep the result, store the state, tell the caller."""
        refuse_nan_loss(epoch, logs)
        rate = current_learning_rate(self.model)
        result = epoch_result(logs, epoch=epoch, learning_rate=rate, duration_s=duration_s)
        self.epochs.append(result)
        if self._rates is not None:
            self._rates.observe(result)
        if self._checkpoint is not None:
            self._checkpoint.write(
                take_snapshot(
                    self.model,
                    fingerprint=self._fingerprint,
                    epochs=tuple(self.epochs),
                    annealing_state={} if self._rates is None else self._rates.state(),
                )
            )
        self._on_epoch(result)


def refuse_nan_loss(epoch: int, logs: Mapping[str, float]) -> None:
    """Raise `NanLossError` unless the training loss is finite."""
    loss = logs.get("loss")
    if loss is not None and not math.isfinite(loss):
        raise NanLossError(epoch, float(loss))


def _train_whole_epochs(run: TrainingRun) -> None:
    images = run.data.train
    program = open_epoch_program(run.model, run.data, run.plan)
    run.resume()
    for epoch in range(run.resumed_from + 1, run.plan.epochs + 1):
        started = time.perf_counter()
        draws = draw_epoch(
            run.plan,
            epoch=epoch,
            n_images=len(images),
            image_shape=images.image_format.shape,
            learning_rates=run.learning_rates(epoch),
        )
        logs = program.train_epoch(draws)
        refuse_nan_loss(epoch, logs)
        run.await_checkpoint()
        logs |= {f"val_{name}": value for name, value in program.validate().items()}
        run.finish_epoch(epoch, logs, time.perf_counter() - started)
    finalize_weights(run.model)


def _train_with_keras(run: TrainingRun) -> None:
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
    logger.info("Training with the HyperModel's own fit.")
    if takes_initial_epoch(hypermodel_fit):
        run.resume()
    if run.finished:
        return finalize_weights(run.model)
    fit_with_hypermodel(
        hypermodel_fit,
        hyperparameters,
        run.model,
        run.data,
        run.plan,
        first_epoch=run.resumed_from + 1,
        begin_epoch=run.learning_rates,
        finish_epoch=run.finish_epoch,
    )
    return separate_average(run.model)


def _start_rates(model: keras.Model, data: TrainingData, plan: TrainingPlan) -> LearningRates | None:
    if plan.annealing is None:
        return None
    if not isinstance(getattr(model.optimizer, "learning_rate", None), keras.Variable):
        raise AnnealingError(
            f"Received annealing ({plan.annealing.rule}) for a model whose optimizer has a schedule of its own. "
            f"Expected a float: remove the schedule from the builder, or the annealing from the definition."
        )
    return start_annealing(
        plan.annealing,
        highest_rate=float(read_variable(model.optimizer.learning_rate)),
        epochs=plan.epochs,
        steps_per_epoch=math.ceil(len(data.train) / plan.batch_size),
        has_validation=data.validation is not None,
    )
