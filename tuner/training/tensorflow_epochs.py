"""Whole epochs as `tf.function` loops.

Each model gets inner functions of its own: TensorFlow counts traces per Python function, and would warn of retracing
when methods of one class are compiled anew for every trial.
"""

from collections.abc import Callable
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
        self._model = model
        self._train = _compile_training(model, train, augmenter, batch_size)
        self._validate = validation and _compile_validation(model, validation, validation_batch_size)

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        return self._run(lambda: self._train(draws))

    def validate(self) -> dict[str, float]:
        return self._run(self._validate) if self._validate else {}

    def _run(self, loop: Callable[[], None]) -> dict[str, float]:
        self._model.reset_metrics()
        loop()
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}


def _compile_training(
    model: keras.Model, data: tuple[NDArray[np.uint8], NDArray[Any]], augmenter: Augmenter, batch_size: int
) -> Callable[[EpochDraws], None]:
    images, targets = map(tf.convert_to_tensor, data)
    train_step = _compile_step(model, model.train_step)

    def run_epoch(draws: EpochDraws) -> None:
        for step in tf.range(-(-len(images) // batch_size)):
            part = slice(step * batch_size, (step + 1) * batch_size)
            order = draws.order[part]
            transforms = None if draws.transforms is None else draws.transforms[part]
            corners = None if draws.cutout_corners is None else draws.cutout_corners[part]
            if draws.learning_rates is not None:
                model.optimizer.learning_rate.assign(draws.learning_rates[step])
            x = augmenter(tf.gather(images, order), transforms, corners)
            train_step((x, tf.gather(targets, order)))

    compiled: Callable[[EpochDraws], None] = tf.function(run_epoch)
    return compiled


def _compile_validation(
    model: keras.Model, data: tuple[NDArray[np.uint8], NDArray[Any]], batch_size: int
) -> Callable[[], None]:
    images, targets = map(tf.convert_to_tensor, data)
    test_step = _compile_step(model, model.test_step)

    def run_validation() -> None:
        for step in tf.range(-(-len(images) // batch_size)):
            part = slice(step * batch_size, (step + 1) * batch_size)
            test_step((scale(images[part]), targets[part]))

    compiled: Callable[[], None] = tf.function(run_validation)
    return compiled


def _compile_step(model: keras.Model, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Compile a Keras step for batches of any size.

    XLA is used where `Model.fit` would use it: not on a CPU, where it is 5 times slower than oneDNN.
    """

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator] # TensorFlow ships no types
    def run_step(batch: Any) -> Any:
        return step(batch)

    compiled: Callable[[Any], Any] = tf.function(run_step, jit_compile=model.jit_compile, reduce_retracing=True)
    return compiled
