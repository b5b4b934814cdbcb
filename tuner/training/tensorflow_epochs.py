"""Whole epochs as `tf.function` loops."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from tuner.training.batches import Augmenter, scale
from tuner.training.epoch_draws import EpochDraws
from tuner.training.epoch_programs import EpochInputs

#: Bytes: what TensorFlow's kernels expect of an address, and what `.npy` files are padded to.
_ALIGNMENT = 64


class TensorFlowEpochs:
    """An `EpochProgram`; a partial batch is a shorter slice, so that one traced step does for all.

    Where the epoch is fused, XLA compiles the loop over its full batches as one, and a partial batch follows by itself.
    """

    def __init__(self, model: keras.Model, inputs: EpochInputs) -> None:
        self._model, self._batch_size = model, inputs.batch_size
        run_epoch = partial(
            _run_epoch,
            model=model,
            step_on=_compile_step(model, model.train_step, inputs.train),
            data=_to_device(inputs.train),
            augmenter=inputs.augmenter,
            batch_size=inputs.batch_size,
        )
        self._train = _compile(run_epoch)
        self._train_fused = _compile(run_epoch, jit_compile=True) if inputs.fused and _is_on_cpu() else None
        self._validate = inputs.validation and _compile(
            partial(
                _run_validation,
                step_on=_compile_step(model, model.test_step, inputs.validation),
                data=_to_device(inputs.validation),
                batch_size=inputs.validation_batch_size,
            )
        )

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        return self._run(lambda: self._train_on(draws))

    def validate(self) -> dict[str, float]:
        return self._run(self._validate) if self._validate else {}

    def _train_on(self, draws: EpochDraws) -> None:
        if self._train_fused is None:
            return self._train(draws)
        full, rest = draws.split(self._batch_size)
        self._train_fused(full)
        return None if rest is None else self._train(rest)

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
    n = len(draws.order)
    # A single step needs no loop in the graph.
    for step in tf.range(-(-n // batch_size)) if n > batch_size else range(1):
        first = step * batch_size
        # XLA must know the size beforehand.
        size = tf.minimum(batch_size, n - first) if n % batch_size else batch_size
        part = slice(first, first + size)
        order = tf.slice(draws.order, [first], [size])
        if draws.learning_rates is not None:
            model.optimizer.learning_rate.assign(draws.learning_rates[step])
        others_here = [tf.gather(other, order) for other in others]
        step_on(augmenter(tf.gather(images, order), others_here, draws.images.part(part)))


def _run_validation(*, step_on: Callable[[Any], Any], data: tuple[tf.Tensor, tf.Tensor], batch_size: int) -> None:
    images, targets = data
    for step in tf.range(-(-len(images) // batch_size)):
        part = slice(step * batch_size, (step + 1) * batch_size)
        step_on((scale(images[part]), targets[part]))


def _compile(loop: partial[None], *, jit_compile: bool = False) -> Callable[..., None]:
    """Compile a loop over one model.

    A partial, because TensorFlow counts traces per code object and would warn of retracing when the same loop is
    compiled for every trial; a partial has none of its own and is counted by itself.
    """
    compiled: Callable[..., None] = tf.function(loop, jit_compile=jit_compile or None)
    return compiled


def _compile_step(
    model: keras.Model, step: Callable[[Any], Any], arrays: tuple[NDArray[Any], ...]
) -> Callable[[Any], Any]:
    """Compile a Keras step for batches of any size, traced once for all.

    XLA is used where `Model.fit` would use it: not on a CPU, where it is 5 times slower than oneDNN.
    """

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator] # TensorFlow ships no types
    def run_step(batch: Any) -> Any:
        return step(batch)

    images, *others = (tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays)
    batch = (tf.TensorSpec(images.shape, tf.float32), *others)
    compiled: Callable[[Any], Any] = tf.function(run_step, input_signature=[batch], jit_compile=model.jit_compile)
    return compiled


def _to_device(arrays: tuple[NDArray[Any], ...]) -> tuple[tf.Tensor, ...]:
    on_cpu = _is_on_cpu()
    return tuple(_share(array) if on_cpu and _is_sharable(array) else tf.convert_to_tensor(array) for array in arrays)


def _is_on_cpu() -> bool:
    return not tf.config.get_visible_devices("GPU")


def _is_sharable(array: NDArray[Any]) -> bool:
    return array.ctypes.data % _ALIGNMENT == 0 and array.flags.c_contiguous and array.flags.writeable


def _share(array: NDArray[Any]) -> tf.Tensor:
    """Take the array's own memory, which for images is a file's that all processes of the machine have mapped.

    `tf.convert_to_tensor` copies it, and holds a second copy for a while.
    """
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
