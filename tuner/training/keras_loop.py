"""Training by Keras' own loop, in the plan's order and with its augmentation.

One callback connects that loop with the run: before each epoch it sets the learning rate (once, to the mean of the
steps' rates), and after it, it passes the epoch's logs on.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.datasets.stored_rows import windows
from tuner.free_memory import free_memory_bytes
from tuner.image_ranges import white_of
from tuner.training.augmentation import Augmenter, take_part
from tuner.training.epoch_draws import EpochDraws, draw_epoch
from tuner.training.plan import Labels, TrainingData, TrainingPlan
from tuner.training.programs.feeding import weigh_labels
from tuner.training.rules import AverageMeasurer
from tuner.training.targets import encode_targets

#: Bytes of images that are compared with what a `fit` was given, a part at a time.
_COMPARED_BYTES = 2**22

#: Called before an epoch (from 1); returns its learning rates, see `EpochDraws.learning_rates`.
BeginEpoch = Callable[[int], NDArray[np.float32] | None]
#: Called after an epoch with Keras' logs and the seconds it took.
FinishEpoch = Callable[[int, Mapping[str, float], float], None]


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
        """Keras has validated before it calls this."""
        self._finish_epoch(epoch + 1, logs or {}, time.perf_counter() - self._started)


class EpochBatches(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types
    """The batches of one epoch, in its drawn order and augmented when they are asked for."""

    def __init__(
        self,
        images: LabelledImages,
        targets: NDArray[Any],
        plan: TrainingPlan,
        class_weight: Mapping[int, float] | None = None,
        *,
        white: float,
    ) -> None:
        super().__init__()
        self._images, self._plan = images, plan
        self._others = [targets, *weigh_labels(images.labels, len(images.class_names), class_weight)]
        self._augmenter = Augmenter(plan.augmentation, images.image_format.shape, white=white)
        self.draw(epoch=1)

    def draw(self, *, epoch: int) -> None:
        """Draw another epoch (from 1)."""
        self._draws: EpochDraws = draw_epoch(
            self._plan,
            epoch=epoch,
            n_images=len(self._images),
            image_shape=self._images.image_format.shape,
            learning_rates=None,
        )

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._plan.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        part = slice(index * self._plan.batch_size, (index + 1) * self._plan.batch_size)
        order = self._draws.order[part]
        others_here = [other[order] for other in self._others]
        batch = self._augmenter(self._images.images[order], others_here, take_part(self._draws.images, part))
        return tuple(map(keras.ops.convert_to_numpy, batch))


class PictureBatches(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types
    """Images and labels in their order, as a model is given them, of which one batch at a time is in memory."""

    def __init__(self, images: LabelledImages, labels: Labels, *, batch_size: int, white: float) -> None:
        super().__init__()
        self._images, self._labels, self._batch_size, self._white = images, labels, batch_size, white

    def __len__(self) -> int:
        return math.ceil(len(self._images) / self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
        first = index * self._batch_size
        batch = self._images.take(np.arange(first, min(first + self._batch_size, len(self._images))))
        return to_pictures(batch, white=self._white), to_targets(batch, self._labels)


def fit_with_keras(
    model: keras.Model,
    data: TrainingData,
    plan: TrainingPlan,
    *,
    class_weight: Mapping[int, float] | None,
    first_epoch: int,
    begin_epoch: BeginEpoch,
    finish_epoch: FinishEpoch,
) -> None:
    """Train by a single `model.fit`: a second one would end the moving average of the weights (EMA) too early."""
    labels = plan.settled_labels
    white = white_of(model)
    batches = EpochBatches(data.train, to_targets(data.train, labels), plan, class_weight, white=white)
    measured, batch_size = _measured(data, labels, batch_size=plan.batch_size, white=white)

    def begin(epoch: int) -> NDArray[np.float32] | None:
        batches.draw(epoch=epoch)
        return begin_epoch(epoch)

    model.fit(
        batches,
        validation_data=measured,
        validation_batch_size=batch_size,
        initial_epoch=first_epoch - 1,
        epochs=plan.epochs,
        callbacks=[AverageMeasurer(plan.training), EpochReporter(begin, finish_epoch)],
        shuffle=False,  # the order is drawn
        verbose=0,
    )


def _measured(data: TrainingData, labels: Labels, *, batch_size: int, white: float) -> tuple[Any, int | None]:
    """Return what a model's `fit` is given as validation data, and its batch size where these are not batches yet.

    They are arrays, which a model's own `fit` may take apart, unless those would fill the memory.
    """
    validation = data.validation
    if validation is None:
        return None, None
    if may_be_arrays(validation.images.size * np.dtype(np.float32).itemsize):
        return validation_arrays(data, labels, white=white), batch_size
    return PictureBatches(validation, labels, batch_size=batch_size, white=white), None


def may_be_arrays(n_bytes: int) -> bool:
    """Say whether validation images that take so many bytes as floats are given to Keras' loop as arrays."""
    return n_bytes <= free_memory_bytes() / 2


def to_targets(images: LabelledImages, labels: Labels) -> NDArray[Any]:
    """Return the images' labels as a model is given them."""
    return encode_targets(images.labels, len(images.class_names), labels)


def to_pictures(images: LabelledImages, *, white: float) -> NDArray[np.float32]:
    """Return the images as a model is given them: float32 in [0, white]."""
    # One pass of NumPy gives the values of `scale`, whose two passes on the device and the way back take up to 0.4 s.
    return np.divide(images.images, np.float32(255 / white), dtype=np.float32)


def are_pictures_of(array: NDArray[np.float32], images: LabelledImages, *, white: float) -> bool:
    """Say whether an array that `to_pictures` returned for these images holds the same numbers still."""
    return all(
        np.array_equal(array[window], to_pictures(images.take(np.arange(window.start, window.stop)), white=white))
        for window in windows(images.images, window_bytes=_COMPARED_BYTES)
    )


def validation_arrays(
    data: TrainingData, labels: Labels, *, white: float
) -> tuple[NDArray[np.float32], NDArray[Any]] | None:
    """Return the validation images and their labels as a model is given them; None where there are none."""
    validation = data.validation
    return None if validation is None else (to_pictures(validation, white=white), to_targets(validation, labels))
