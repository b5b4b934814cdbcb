"""Whole epochs as `tf.function` loops."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuner.training.batches import Augmenter, scale
from tuner.training.epoch_draws import EpochDraws

#: Bytes: what TensorFlow's kernels expect of an address, and what `.npy` files are padded to.
_ALIGNMENT = 64


class TensorFlowEpochs:
    """An `EpochProgram`; a partial batch is a shorter slice, so that one traced step does for all."""

    def __init__(
        self,
        model: keras.Model,
        *,
        train: tuple[NDArray[Any], ...],
        validation: tuple[NDArray[np.uint8], NDArray[Any]] | None,
        augmenter: Augmenter,
        batch_size: int,
        validation_batch_size: int,
    ) -> None:
        self._model = model
        self._train = _compile(
            _run_epoch,
            model=model,
            step_on=_compile_step(model, model.train_step),
            data=_to_device(train),
            augmenter=augmenter,
            batch_size=batch_size,
        )
        self._validate = validation and _compile(
            _run_validation,
            step_on=_compile_step(model, model.test_step),
            data=_to_device(validation),
            batch_size=validation_batch_size,
        )

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        return self._run(lambda: self._train(draws))

    def validate(self) -> dict[str, float]:
        return self._run(self._validate) if self._validate else {}

    def _run(self, loop: Callable[[], None]) -> dict[str, float]:
        self._model.reset_metrics()
        loop()
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}


def _run_epoch(
    draws: EpochDraws,
    *,
    model: keras.Model,
    step_on: Callable[[Any], Any],
    data: tuple[tf.Tensor, ...],
    augmenter: Augmenter,
    batch_size: int,
) -> None:
    images, *others = data
    for step in tf.range(-(-len(images) // batch_size)):
        part = slice(step * batch_size, (step + 1) * batch_size)
        order = draws.order[part]
        if draws.learning_rates is not None:
            model.optimizer.learning_rate.assign(draws.learning_rates[step])
        others_here = [tf.gather(other, order) for other in others]
        step_on(augmenter(tf.gather(images, order), others_here, draws.images.part(part)))


def _run_validation(*, step_on: Callable[[Any], Any], data: tuple[tf.Tensor, tf.Tensor], batch_size: int) -> None:
    images, targets = data
    for step in tf.range(-(-len(images) // batch_size)):
        part = slice(step * batch_size, (step + 1) * batch_size)
        step_on((scale(images[part]), targets[part]))


def _compile(loop: Callable[..., None], **bound: Any) -> Callable[..., None]:
    """Compile a loop over one model.

    As a partial, because TensorFlow counts traces per code object and would warn of retracing when the same loop is
    compiled for every trial; a partial has none of its own and is counted by itself.
    """
    compiled: Callable[..., None] = tf.function(partial(loop, **bound))
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


def _to_device(arrays: tuple[NDArray[Any], ...]) -> tuple[tf.Tensor, ...]:
    on_cpu = not tf.config.get_visible_devices("GPU")
    return tuple(_share(array) if on_cpu and _is_sharable(array) else tf.convert_to_tensor(array) for array in arrays)


def _is_sharable(array: NDArray[Any]) -> bool:
    return array.ctypes.data % _ALIGNMENT == 0 and array.flags.c_contiguous and array.flags.writeable


def _share(array: NDArray[Any]) -> tf.Tensor:
    """Take the array's own memory, which for images is a file's that all processes of the machine have mapped.

    `tf.convert_to_tensor` copies it, and holds a second copy for a while.
    """
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
