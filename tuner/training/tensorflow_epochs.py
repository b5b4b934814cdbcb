"""Whole epochs as `tf.function` loops."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuner.training.batches import Augmenter, scale
from tuner.training.epoch_draws import EpochDraws


class TensorFlowEpochs:
    """An `EpochProgram`; a partial batch is a shorter slice, so that one traced step does for all."""

    def __init__(
        self,
        model: keras.Model,
        *,
        train: tuple[NDArray[np.uint8], NDArray[Any]],
        validation: tuple[NDArray[np.uint8], NDArray[Any]] | None,
        augmenter: Augmenter,
        batch_size: int,
        validation_batch_size: int,
    ) -> None:
        self._model, self._augmenter = model, augmenter
        self._train = tuple(map(tf.convert_to_tensor, train))
        self._validation = None if validation is None else tuple(map(tf.convert_to_tensor, validation))
        self._batch_size, self._validation_batch_size = batch_size, validation_batch_size
        # As in `Model.fit`: Keras turns XLA on where it pays, which is not on a CPU (5 times slower than oneDNN).
        self._train_step = _compile_step(model.train_step, jit_compile=model.jit_compile)
        self._test_step = _compile_step(model.test_step, jit_compile=model.jit_compile)
        self._train_loop, self._validation_loop = tf.function(self._run_epoch), tf.function(self._run_validation)

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        self._model.reset_metrics()
        self._train_loop(draws)
        return self._logs()

    def validate(self) -> dict[str, float]:
        if self._validation is None:
            return {}
        self._model.reset_metrics()
        self._validation_loop()
        return self._logs()

    def _logs(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}

    def _run_epoch(self, draws: EpochDraws) -> None:
        images, targets = self._train
        size = self._batch_size
        for step in tf.range(-(-len(images) // size)):
            part = slice(step * size, (step + 1) * size)
            order = draws.order[part]
            transforms = None if draws.transforms is None else draws.transforms[part]
            corners = None if draws.cutout_corners is None else draws.cutout_corners[part]
            if draws.learning_rates is not None:
                self._model.optimizer.learning_rate.assign(draws.learning_rates[step])
            x = self._augmenter(tf.gather(images, order), transforms, corners)
            self._train_step((x, tf.gather(targets, order)))

    def _run_validation(self) -> None:
        images, targets = self._validation or ()
        size = self._validation_batch_size
        for step in tf.range(-(-len(images) // size)):
            part = slice(step * size, (step + 1) * size)
            self._test_step((scale(images[part]), targets[part]))


def _compile_step(step: Any, *, jit_compile: bool) -> Any:
    """Wrap a Keras step, whose Python stays as it is, for use in a loop of batches of any size."""
    return tf.function(tf.autograph.experimental.do_not_convert(step), jit_compile=jit_compile, reduce_retracing=True)
