"""TensorFlow: whole epochs as `tf.function` loops, and what it knows of its devices."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuner import free_memory
from tuner.errors import TunerError
from tuner.image_ranges import white_of
from tuner.training.augmentation import Augmenter, take_part
from tuner.training.batches import scale
from tuner.training.epoch_draws import EpochDraws
from tuner.training.programs.feeding import PartImages, open_feed
from tuner.training.programs.interface import EpochInputs, Measured, ProgramImages, caught_outputs
from tuner.training.programs.tensorflow_arrays import is_on_cpu, to_device

#: On a CPU XLA compiles nothing unless it is asked to.
COMPILES_STEPS_WITH_XLA = False

#: What is taken for free on a GPU: TensorFlow tells what it has taken, and not what there is.
_ASSUMED_GPU_BYTES = 4 * 2**30
#: Characters of an exception that are shown.
_MAX_REASON = 160

#: Takes a batch: images, targets and, if there are any, weights. TensorFlow ships no types of compiled ones.
_StepOn = Any
#: By what a step does, and the batches that it takes.
_Steps = dict[tuple[str, tuple[tf.TensorSpec, ...]], _StepOn]

_log = logging.getLogger(__name__)


class LastBatchError(TunerError):
    """A loss takes full batches, and fails for the smaller last one."""

    def __init__(self, size: int, last_size: int, error: Exception) -> None:
        super().__init__(
            f"Received batches of {size} images, the last of {last_size}: the loss takes the full ones, and fails for "
            f"the last ({_shorten(error)}). Expected a loss for batches of any size, such as one with "
            "ops.reshape(y_true, (-1,)) in place of ops.squeeze(y_true)."
        )


def open_program(model: keras.Model, inputs: EpochInputs, *, steps: "_Steps | None" = None) -> "TensorFlowProgram":
    """See `Backend`."""
    return TensorFlowProgram(model, inputs, steps=steps)


def read_values(variables: Sequence[Any]) -> list[Any]:
    """See `Backend`; by the operation itself, as Keras' own ways take four times as long."""
    return [
        tf.raw_ops.ReadVariableOp(resource=variable.value.handle, dtype=variable.value.dtype) for variable in variables
    ]


def write_values(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """See `Backend`, and `read_values`."""
    for variable, value in zip(variables, values, strict=True):
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=value)


def count_gpus() -> int:
    """See `Backend`."""
    return len(tf.config.list_physical_devices("GPU"))


def free_memory_bytes() -> int:
    """See `Backend`."""
    return free_memory.free_memory_bytes() if is_on_cpu() else _ASSUMED_GPU_BYTES


def gradient(function: Callable[[Any], Any], point: NDArray[np.float32]) -> NDArray[np.float32]:
    """See `Backend`."""
    with tf.GradientTape() as tape:
        tensor = tf.convert_to_tensor(point)
        tape.watch(tensor)
        value = function(tensor)
    return np.asarray(tape.gradient(value, tensor, unconnected_gradients=tf.UnconnectedGradients.ZERO), np.float32)


def compile_answer(model: keras.Model) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """See `Backend`; without XLA, which would take longer to compile than a small net to train."""

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator] # TensorFlow ships no types
    def answer(images: Any) -> Any:
        return model(images, training=False)

    # A partial, as in `_compile`.
    compiled = tf.function(partial(answer))
    return lambda images: np.asarray(compiled(tf.constant(images)))


def silence() -> None:
    """See `Backend`."""
    # The first look for GPUs complains where there are none.
    tf.config.list_physical_devices()
    # It warns of functions traced anew, which each trial's new model must be.
    tf.get_logger().setLevel("ERROR")


class TensorFlowProgram:
    """An `EpochProgram`; a partial batch is a shorter slice, so that one traced step does for all.

    With `xla_epoch` XLA compiles the loop over its full batches as one, and a partial batch follows by itself.
    """

    def __init__(self, model: keras.Model, inputs: EpochInputs, *, steps: "_Steps | None" = None) -> None:
        self._model, self._batch_size = model, inputs.batch_size
        self._xla_epoch = inputs.xla_epoch and is_on_cpu()
        #: Those that were traced for batches of any size: most of what a program costs, and the same in every loop.
        self.steps: _Steps = {} if steps is None else steps
        self._train = _Loop(
            partial(_run_epoch, model=model, augmenter=inputs.augmenter),
            model,
            ("train_step", model.train_step),
            inputs.images.train,
            batch_size=inputs.batch_size,
            streamed=inputs.streamed,
            steps=self.steps,
        )
        loop, step = (
            (_run_answers, ("answer", partial(_answer, model)))
            if inputs.with_answers
            else (_run_validation, ("test_step", model.test_step))
        )
        self._validate: _Loop | None = None
        if inputs.images.validation is not None:
            self._validate = _Loop(
                partial(loop, white=white_of(model)),
                model,
                step,
                inputs.images.validation,
                batch_size=inputs.validation_batch_size,
                streamed=inputs.streamed,
                steps=self.steps,
            )

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        self._model.reset_metrics()
        n = len(draws.order)
        shape = _EpochShape(has_many_steps=n > self._batch_size, has_partial_batch=n % self._batch_size > 0)
        for of_chunk, chunk in self._train.feed.shuffled(draws):
            self._train_on(of_chunk, chunk, shape)
        return self._logs()

    def validate(self) -> Measured:
        if self._validate is None:
            return Measured({})
        self._model.reset_metrics()
        answers = [self._validate(data=chunk) for chunk in self._validate.feed.in_order()]
        return Measured(self._logs(), None if answers[0] is None else tf.concat(answers, axis=0).numpy())

    def take_images(self, images: ProgramImages) -> None:
        self._train.take(images.train)
        if self._validate is not None and images.validation is not None:
            self._validate.take(images.validation)

    def _train_on(self, draws: EpochDraws, data: tuple[tf.Tensor, ...], shape: "_EpochShape") -> None:
        if not self._xla_epoch:
            self._train(draws, shape, data=data)
            return
        # Where the partial batch follows by itself, both are what they are alone.
        shape = _EpochShape(has_many_steps=False, has_partial_batch=False)
        full, rest = draws.split(self._batch_size)
        # A part of the images may be smaller than a batch, and the last chunk of a streamed epoch is a partial one.
        if len(full.order):
            self._train.run_with_xla(full, shape, data=data)
        if rest is not None:
            self._train(rest, shape, data=data)

    def _logs(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}


class _Loop:
    """A loop over batches, compiled with its step on its first call.

    Where the step cannot be traced for batches of unknown size, as with a loss that has `squeeze(y_true)`, it is traced
    for each size, and the loop is Python's.
    """

    def __init__(
        self,
        loop: Callable[..., Any],
        model: keras.Model,
        step: tuple[str, _StepOn],
        part: PartImages,
        *,
        batch_size: int,
        streamed: bool,
        steps: "_Steps",
    ) -> None:
        self._loop = partial(loop, batch_size=batch_size)
        self._open_feed = partial(open_feed, to_device=to_device, batch_size=batch_size, streamed=streamed)
        self.feed = self._open_feed(part)
        self._model, (self._name, self._step), self._batch_size, self._steps = model, step, batch_size, steps
        self._n = len(part)
        one = part.read(np.arange(1))
        self._shapes = [array.shape[1:] for array in one]
        self._dtypes = [tf.float32, *(array.dtype for array in one[1:])]

    def take(self, part: PartImages) -> None:
        """Loop over other images of the same shapes from now on."""
        # Before the others take memory.
        del self.feed
        self.feed = self._open_feed(part)

    def __call__(self, *arguments: Any, data: tuple[tf.Tensor, ...]) -> Any:
        return self._compiled(*arguments, data=data)

    def run_with_xla(self, *arguments: Any, data: tuple[tf.Tensor, ...]) -> None:
        """Run the loop as one program of XLA, which takes full batches alone."""
        self._compiled_with_xla(*arguments, data=data)

    @cached_property
    def _compiled(self) -> Callable[..., Any]:
        step_on, is_for_any_size = self._compiled_step
        loop = partial(self._loop, step_on=step_on)
        return _compile(loop) if is_for_any_size else loop

    @cached_property
    def _compiled_with_xla(self) -> Callable[..., Any]:
        step_on, is_for_any_size = self._compiled_step
        return _compile(partial(self._loop, step_on=step_on), jit_compile=True) if is_for_any_size else self._compiled

    @cached_property
    def _compiled_step(self) -> tuple[_StepOn, bool]:
        """The step, and whether it was traced once for batches of any size."""
        batch = self._batch(None)
        known = self._steps.get((self._name, batch))
        if known is not None:
            return known, True
        step_on = _compile_step(self._model, self._step, batch)
        try:
            step_on.get_concrete_function()
        except Exception as error:  # noqa: BLE001 - a person's loss may raise anything for a size of None
            _log.info(
                "Calling the model's %s batch by batch: it cannot be traced for batches of unknown size (%s).",
                self._name,
                _shorten(error),
            )
        else:
            self._steps[self._name, batch] = step_on
            return step_on, True
        return self._trace_for_each_size(), False

    def _trace_for_each_size(self) -> _StepOn:
        """Trace the step for full batches and for the last one, before an epoch is spent on the full ones."""
        step_on = _compile_step(self._model, self._step)
        step_on.get_concrete_function(self._batch(self._batch_size))
        last_size = self._n % self._batch_size
        if last_size:
            try:
                step_on.get_concrete_function(self._batch(last_size))
            except Exception as error:
                raise LastBatchError(self._batch_size, last_size, error) from error
        return step_on

    def _batch(self, size: int | None) -> tuple[tf.TensorSpec, ...]:
        return tuple(
            tf.TensorSpec((size, *shape), dtype) for shape, dtype in zip(self._shapes, self._dtypes, strict=True)
        )


class _EpochShape(NamedTuple):
    """What holds for an epoch and so for its chunks: compiled for another shape, a step may round otherwise."""

    has_many_steps: bool
    has_partial_batch: bool


def _run_epoch(
    draws: EpochDraws,
    shape: _EpochShape,
    *,
    model: keras.Model,
    step_on: _StepOn,
    data: tuple[tf.Tensor, ...],
    augmenter: Augmenter,
    batch_size: int,
) -> None:
    images, *others = data
    n = draws.order.shape[0]

    def run(step: Any) -> None:
        first = step * batch_size
        # XLA must know the size beforehand.
        size = tf.minimum(batch_size, n - first) if n % batch_size or shape.has_partial_batch else batch_size
        part = slice(first, first + size)
        order = tf.slice(draws.order, [first], [size])
        if draws.learning_rates is not None:
            model.optimizer.learning_rate.assign(draws.learning_rates[step])
        others_here = [tf.gather(other, order) for other in others]
        step_on(augmenter(tf.gather(images, order), others_here, take_part(draws.images, part)))

    # A single step needs no loop in the graph.
    if n > batch_size or shape.has_many_steps:
        _run_steps(-(-n // batch_size), run)
    else:
        run(0)


def _run_validation(*, step_on: _StepOn, data: tuple[tf.Tensor, tf.Tensor], batch_size: int, white: float) -> None:
    images, targets = data

    def run(step: Any) -> None:
        part = slice(step * batch_size, (step + 1) * batch_size)
        step_on((scale(images[part], white), targets[part]))

    _run_steps(-(-images.shape[0] // batch_size), run)


def _run_answers(*, step_on: _StepOn, data: tuple[tf.Tensor, tf.Tensor], batch_size: int, white: float) -> Any:
    """As `_run_validation`; returns what the model returned, float32, shape (n, classes)."""
    images, targets = data
    n_steps = -(-images.shape[0] // batch_size)

    def run(step: Any, answers: tf.TensorArray) -> tf.TensorArray:
        part = slice(step * batch_size, (step + 1) * batch_size)
        return answers.write(step, step_on((scale(images[part], white), targets[part])))

    return _run_steps(n_steps, run, tf.TensorArray(tf.float32, size=n_steps, infer_shape=False)).concat()


def _run_steps(n_steps: int, run: Callable[..., Any], *carried: Any) -> Any:
    """Call `run` with each step, from 0, and what the step before returned; return what the last one does.

    A loop of TensorFlow's by name, not by AutoGraph: that reads the source of each function anew, which may have
    changed since it was imported, takes half a second, and leaves files behind where a process is killed.
    """

    def run_next(step: Any, *carried: Any) -> tuple[Any, ...]:
        result = run(step, *carried)
        return (step + 1, result) if carried else (step + 1,)

    return tf.while_loop(lambda step, *_: step < n_steps, run_next, (tf.constant(0), *carried))[-1]


def _answer(model: keras.Model, batch: Any) -> Any:
    """Take a test step, and return what the model returned in it."""
    with caught_outputs(model) as outputs:
        model.test_step(batch)
    return outputs[-1]


def _compile(loop: partial[Any], *, jit_compile: bool = False) -> Callable[..., Any]:
    """Compile a loop over one model.

    A partial, because TensorFlow counts traces per code object and would warn of retracing when the same loop is
    compiled for every trial; a partial has none of its own and is counted by itself.
    """
    compiled: Callable[..., Any] = tf.function(loop, autograph=False, jit_compile=jit_compile or None)
    return compiled


def _compile_step(model: keras.Model, step: _StepOn, batch: tuple[tf.TensorSpec, ...] | None = None) -> Any:
    """Compile a Keras step, traced once for all batches that a description fits; without one, for each size.

    XLA is used where `Model.fit` would use it: not on a CPU, where it is 5 times slower than oneDNN.
    """

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator] # TensorFlow ships no types
    def run_step(batch: Any) -> Any:
        return step(batch)

    # A partial, as in `_compile`.
    return tf.function(partial(run_step), input_signature=batch and [batch], jit_compile=model.jit_compile)


def _shorten(error: Exception) -> str:
    """Return an exception in one line."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return said if len(said) <= _MAX_REASON else f"{said[:_MAX_REASON]}…"
