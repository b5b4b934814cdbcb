"""Training by a loop that is not ours: Keras' `fit`, or a HyperModel's own `fit`.

One callback stands between that loop and the run: it sets the learning rate before each epoch (once, to the mean of its
steps' rates) and hands each epoch's logs over.
"""

import inspect
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError
from tuner.training.batches import Augmenter, encode_targets
from tuner.training.epoch_draws import EpochDraws, draw_epoch
from tuner.training.fit_call import HandedOver
from tuner.training.plan import TrainingData, TrainingPlan

#: Called before an epoch (from 1); returns its learning rates, see `EpochDraws.learning_rates`.
BeginEpoch = Callable[[int], NDArray[np.float32] | None]
#: Called after an epoch with Keras' logs and the seconds it took.
FinishEpoch = Callable[[int, Mapping[str, float], float], None]


class NoEpochReportedError(TunerError):
    """A HyperModel's own `fit` called no callback."""


class EpochReporter(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Tells the run when an epoch begins and ends."""

    def __init__(self, begin_epoch: BeginEpoch, finish_epoch: FinishEpoch) -> None:
        super().__init__()
        self._begin_epoch, self._finish_epoch = begin_epoch, finish_epoch
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keras counts epochs from 0."""
        del logs
        self._started = time.perf_counter()
        rates = self._begin_epoch(epoch + 1)
        if rates is not None:
            self.model.optimizer.learning_rate = float(rates.mean())

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Keras has validated by now."""
        self._finish_epoch(epoch + 1, logs or {}, time.perf_counter() - self._started)


class EpochBatches(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types
    """The batches of one epoch, in its drawn order and augmented; nothing of an epoch is kept but its draws."""

    def __init__(self, images: LabelledImages, targets: NDArray[Any], plan: TrainingPlan) -> None:
        super().__init__()
        self._images, self._targets, self._plan = images, targets, plan
        self._augmenter = Augmenter(plan.augmentation, images.image_format.shape)
        self.draw(epoch=1)

    def draw(self, *, epoch: int) -> None:
        """Turn to another epoch (from 1)."""
        self._draws: EpochDraws = draw_epoch(
            self._plan,
            epoch=epoch,
            n_images=len(self._images),
            image_shape=self._images.image_format.shape,
            learning_rates=None,
        )

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._plan.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
        part = slice(index * self._plan.batch_size, (index + 1) * self._plan.batch_size)
        order = self._draws.order[part]
        pictures, targets = self._augmenter(
            self._images.images[order], [self._targets[order]], self._draws.images.part(part)
        )
        return keras.ops.convert_to_numpy(pictures), keras.ops.convert_to_numpy(targets)


def fit_with_keras(
    model: keras.Model,
    data: TrainingData,
    plan: TrainingPlan,
    *,
    first_epoch: int,
    begin_epoch: BeginEpoch,
    finish_epoch: FinishEpoch,
) -> None:
    """Train by one `model.fit` in our order: a second call would end the moving average of weights (EMA) too early."""
    batches = EpochBatches(data.train, _targets(model, data.train), plan)

    def begin(epoch: int) -> NDArray[np.float32] | None:
        batches.draw(epoch=epoch)
        return begin_epoch(epoch)

    model.fit(
        batches,
        validation_data=_validation_arrays(model, data),
        validation_batch_size=None if data.validation is None else plan.batch_size,
        initial_epoch=first_epoch - 1,
        epochs=plan.epochs,
        callbacks=[EpochReporter(begin, finish_epoch)],
        shuffle=False,  # of batches; the order within and of them is drawn
        verbose=0,
    )


def hand_over(model: keras.Model, data: TrainingData, reporter: EpochReporter, *, initial_epoch: int) -> HandedOver:
    """Make what a HyperModel's own `fit` is given: float32 images in [0, 1] in stored order, and their targets."""
    return HandedOver(
        x=_pictures(data.train),
        y=_targets(model, data.train),
        validation_data=_validation_arrays(model, data),
        reporter=reporter,
        optimizer=model.optimizer,
        initial_epoch=initial_epoch,
    )


def call_hypermodel_fit(
    hypermodel_fit: Callable[..., Any], hyperparameters: Any, model: keras.Model, handed: HandedOver, *, epochs: int
) -> None:
    """Call `fit(hp, model, x, y, validation_data, epochs, callbacks)` as KerasTuner does.

    Order, batches and augmentation are its own affair unless it hands everything on, see `fit_call`.
    """
    options: dict[str, Any] = {"validation_data": handed.validation_data, "callbacks": [handed.reporter]}
    if handed.initial_epoch:
        options["initial_epoch"] = handed.initial_epoch

    def call(**more: Any) -> None:
        hypermodel_fit(hyperparameters, model, handed.x, handed.y, **options, **more)

    # `verbose` is the person's to pass; Keras' progress bars would break the worker's own lines.
    keras.config.disable_interactive_logging()
    try:
        try:
            call(epochs=epochs)
        except TypeError as error:
            # `model.fit(*args, epochs=hp.Int(...), **kwargs)`: KerasTuner's users leave `epochs` out of `search`.
            if "multiple values for keyword argument 'epochs'" not in str(error):
                raise
            call()
    finally:
        keras.config.enable_interactive_logging()


def takes_initial_epoch(hypermodel_fit: Callable[..., Any]) -> bool:
    """Say whether this `fit` can go on in the middle of a run."""
    parameters = inspect.signature(hypermodel_fit).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD or parameter.name == "initial_epoch" for parameter in parameters)


def _targets(model: keras.Model, images: LabelledImages) -> NDArray[Any]:
    return encode_targets(model, images.labels, len(images.class_names))


def _pictures(images: LabelledImages) -> NDArray[np.float32]:
    # In one pass of NumPy: the same values as `scale`, whose two passes on the device and way back take up to 0.4 s.
    return np.divide(images.images, np.float32(255), dtype=np.float32)


def _validation_arrays(model: keras.Model, data: TrainingData) -> tuple[NDArray[np.float32], NDArray[Any]] | None:
    validation = data.validation
    return None if validation is None else (_pictures(validation), _targets(model, validation))
