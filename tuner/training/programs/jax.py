"""JAX: whole epochs as `jax.lax.scan` over Keras' stateless steps, and what it knows of its devices.

On a CPU most models take the same steps one by one.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from tuner import free_memory
from tuner.image_ranges import white_of
from tuner.training.batches import scale
from tuner.training.epoch_draws import EpochDraws
from tuner.training.free_numbers import find_free_numbers, numbers_put
from tuner.training.programs.feeding import Feed, ToDevice, open_feed
from tuner.training.programs.interface import EpochInputs, Measured, ProgramImages, caught_outputs

COMPILES_STEPS_WITH_XLA = True

#: The axis of the members of a population in the draws of a batch.
_MEMBERS_OF_DRAWS: Any = EpochDraws(order=1, images=cast("Any", 1), learning_rates=0)


def open_program(model: keras.Model, inputs: EpochInputs, *, steps: None = None) -> "JaxProgram":
    """See `Backend`."""
    del steps
    return JaxProgram(model, inputs)


def read_values(variables: Sequence[Any]) -> list[Any]:
    """See `Backend`; copies, as programs may be given the arrays to overwrite."""
    return [jnp.copy(variable.value) for variable in variables]


def write_values(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """See `Backend`."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def count_gpus() -> int:
    """See `Backend`."""
    return sum(device.platform == "gpu" for device in jax.devices())


def free_memory_bytes() -> int:
    """See `Backend`."""
    statistics = _device().memory_stats() or {}
    if "bytes_limit" in statistics:
        return int(statistics["bytes_limit"] - statistics["bytes_in_use"])
    return free_memory.free_memory_bytes()


def gradient(function: Callable[[Any], Any], point: NDArray[np.float32]) -> NDArray[np.float32]:
    """See `Backend`."""
    return np.asarray(jax.grad(function)(point), np.float32)


def compile_answer(model: keras.Model) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """See `Backend`."""
    variables = (model.trainable_variables, model.non_trainable_variables)

    def answer(state: Any, images: Any) -> Any:
        outputs, _ = model.stateless_call(*state, images, training=False)
        return outputs

    compiled, state = jax.jit(answer), _values(variables)
    return lambda images: np.asarray(compiled(state, images))


def silence() -> None:
    """See `Backend`; JAX logs nothing that misleads."""


class JaxProgram:
    """An `EpochProgram` over the variables of one model."""

    #: JAX traces a step anew in each loop.
    steps = None

    def __init__(self, model: keras.Model, inputs: EpochInputs) -> None:
        self._model, self._loops = model, EpochLoops(model, inputs)

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        model = self._model
        model.reset_metrics()
        variables = training_variables(model)
        _assign(variables, self._loops.train(_values(variables), draws))
        return self._logs()

    def validate(self) -> Measured:
        if not self._loops.has_validation:
            return Measured({})
        model = self._model
        model.reset_metrics()
        variables = (model.trainable_variables, model.non_trainable_variables, model.metrics_variables)
        state, answers = self._loops.validate(_values(variables))
        _assign(variables, state)
        return Measured(self._logs(), None if answers is None else np.asarray(answers))

    def take_images(self, images: ProgramImages) -> None:
        self._loops.take_images(images)

    def _logs(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}


class EpochLoops:
    """The loops over an epoch's batches as functions of a state, which is the values of a model's variables.

    Full batches come first, scanned or one by one; a partial one follows in its own shape.

    Args:
        model: Whose steps are taken; its own variables stay as they are.
        inputs: What a program is made of.
        of_population: The state is that of several models, stacked along a first axis, and ends with their free
            numbers; so are the draws along their second, the learning rates' first dimension being steps; each step is
            mapped over them.
    """

    def __init__(self, model: keras.Model, inputs: EpochInputs, *, of_population: bool = False) -> None:
        self._model, self._augmenter = model, inputs.augmenter
        self._open_feed = partial(open_feed, streamed=inputs.streamed)
        self._with_answers = inputs.with_answers
        self._batch_size, self._validation_batch_size = inputs.batch_size, inputs.validation_batch_size
        self._learning_rate_index = _learning_rate_index(model)
        self._train_step, self._validation_step = self._take_train_step, self._take_validation_step
        self._step_of_rows = self._take_step_of_rows
        self._train_loop, self._validation_loop = self._run_epoch, self._run_validation
        if of_population:
            self._free_numbers = find_free_numbers(model)
            self._train_step = jax.vmap(self._take_step_of_member, in_axes=(0, None, _MEMBERS_OF_DRAWS))
            # Answers have members along their second axis: batches follow each other along the first.
            with_numbers = partial(partial, self._validate_member)
            self._validation_step = jax.vmap(with_numbers(self._validation_step), in_axes=(0, None), out_axes=(0, 1))
            self._step_of_rows = jax.vmap(with_numbers(self._step_of_rows), in_axes=(0, 1, None), out_axes=(0, 1))
        #: Validation images that are taken batch by batch stay on the host.
        self._to_validation_device: ToDevice = jax.device_put
        if platform() == "cpu" and not inputs.xla_epoch:
            self._scan, self._to_validation_device = _call_each, tuple
            steps = (self._train_step, self._validation_step, self._step_of_rows)
            self._train_step, self._validation_step, self._step_of_rows = map(jax.jit, steps)
        else:
            self._scan = jax.lax.scan
            self._train_loop, self._validation_loop = map(jax.jit, (self._train_loop, self._validation_loop))
        self.take_images(inputs.images)

    @property
    def has_validation(self) -> bool:
        return self._validation is not None

    def train(self, state: Any, draws: EpochDraws) -> Any:
        """Return the state after an epoch: that of trainable, other, optimizer's and metrics' variables."""
        assert self._train is not None  # noqa: S101 - for mypy
        for of_chunk, chunk in self._train.shuffled(draws):
            # Steps are queued: without waiting, all chunks would be read before the first is trained on.
            state = jax.block_until_ready(self._train_loop(state, chunk, of_chunk))
        return state

    def validate(self, state: Any, rows: NDArray[np.int32] | None = None) -> tuple[Any, Any]:
        """Return the state after the validation set, and the outputs if they are asked for.

        Args:
            state: That of trainable, other and metrics' variables.
            rows: Where the members of a population have validation images of their own: which of the training images
                these are, shape (n, members). None: there is one validation set.
        """
        assert self._train is not None  # noqa: S101 - for mypy
        if rows is not None:
            # A population's images are resident, so that all of them are one chunk.
            pool = next(iter(self._train.in_order()))
            return self._validation_loop(state, (rows,), pool[:2])
        assert self._validation is not None  # noqa: S101 - for mypy
        answers = []
        for chunk in self._validation.in_order():
            state, of_chunk = jax.block_until_ready(self._validation_loop(state, chunk, ()))
            answers.append(of_chunk)
        return state, jax.tree.map(lambda *outputs: jnp.concatenate(outputs), *answers)

    def take_images(self, images: ProgramImages) -> None:
        """See `EpochProgram`."""
        # Before the others take memory.
        self._train: Feed | None = None
        self._validation: Feed | None = None
        self._train = self._open_feed(images.train, jax.device_put, batch_size=self._batch_size)
        if images.validation is not None:
            size = self._validation_batch_size
            self._validation = self._open_feed(images.validation, self._to_validation_device, batch_size=size)

    def _run_epoch(self, state: Any, data: tuple[Any, ...], draws: EpochDraws) -> Any:
        def step(state: Any, batch: EpochDraws) -> tuple[Any, None]:
            return self._train_step(state, data, batch), None

        full, rest = draws.split(self._batch_size)
        # A part of the images may be smaller than a batch, and the last chunk of a streamed epoch is a partial one.
        if len(full.order):
            order, images = _fold((full.order, full.images), self._batch_size)
            state, _ = self._scan(step, state, EpochDraws(order, images, full.learning_rates))
        if rest is not None:
            rates = rest.learning_rates
            state, _ = step(state, rest._replace(learning_rates=None if rates is None else rates[0]))
        return state

    def _take_train_step(self, state: Any, data: tuple[Any, ...], batch: EpochDraws) -> Any:
        images, *others = data
        if batch.learning_rates is not None:
            state = self._with_learning_rate(state, batch.learning_rates)
        others_here = [other[batch.order] for other in others]
        _, state = self._model.train_step(state, self._augmenter(images[batch.order], others_here, batch.images))
        return state

    def _take_step_of_member(self, state: Any, data: tuple[Any, ...], batch: EpochDraws) -> Any:
        *variables, numbers = state
        with numbers_put(self._free_numbers, numbers):
            return *self._take_train_step(tuple(variables), data, batch), numbers

    def _validate_member(self, step: Callable[..., tuple[Any, Any]], state: Any, *batch: Any) -> tuple[Any, Any]:
        *variables, numbers = state
        with numbers_put(self._free_numbers, numbers):
            after, answers = step(tuple(variables), *batch)
        return (*after, numbers), answers

    def _with_learning_rate(self, state: Any, rate: Any) -> Any:
        trainable, non_trainable, optimizer, metrics = state
        index = self._learning_rate_index
        return trainable, non_trainable, [*optimizer[:index], rate, *optimizer[index + 1 :]], metrics

    def _run_validation(self, state: Any, data: tuple[Any, ...], pool: tuple[Any, ...]) -> tuple[Any, Any]:
        def step(state: Any, batch: tuple[Any, ...]) -> tuple[Any, Any]:
            return self._step_of_rows(state, batch[0], pool) if pool else self._validation_step(state, batch)

        size = self._validation_batch_size
        n, n_in_full = len(data[0]), len(data[0]) // size * size
        full, rest = (tuple(array[rows] for array in data) for rows in (slice(n_in_full), slice(n_in_full, None)))
        if not n_in_full:
            return step(state, rest)
        state, answers = self._scan(step, state, _fold(full, size))
        answers = jax.tree.map(lambda outputs: outputs.reshape(-1, *outputs.shape[2:]), answers)
        if n_in_full == n:
            return state, answers
        state, of_rest = step(state, rest)
        return state, jax.tree.map(lambda *outputs: jnp.concatenate(outputs), answers, of_rest)

    def _take_step_of_rows(self, state: Any, rows: Any, pool: tuple[Any, Any]) -> tuple[Any, Any]:
        images, targets = pool
        return self._take_validation_step(state, (images[rows], targets[rows]))

    def _take_validation_step(self, state: Any, batch: tuple[Any, ...]) -> tuple[Any, Any]:
        images, targets = batch
        scaled = scale(images, white_of(self._model))
        if not self._with_answers:
            return self._model.test_step(state, (scaled, targets))[1], None
        with caught_outputs(self._model) as outputs:
            _, state = self._model.test_step(state, (scaled, targets))
        return state, outputs[-1]


def training_variables(model: keras.Model) -> tuple[list[Any], ...]:
    """Return the variables that a training step changes, in the order of a state."""
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )


def platform() -> str:
    """Return the kind of device that computes, `cpu` or `gpu`."""
    return str(_device().platform)


def _device() -> Any:
    return jax.config.jax_default_device or jax.devices()[0]


def _call_each(step: Callable[[Any, Any], tuple[Any, Any]], state: Any, batches: Any) -> tuple[Any, Any]:
    """Step through the first axis of NumPy arrays, one call a step; else as `jax.lax.scan`."""
    found = []
    for index in range(len(jax.tree.leaves(batches)[0])):
        state, output = step(state, jax.tree.map(lambda array: array[index], batches))  # noqa: B023 - called at once
        found.append(output)
    return state, jax.tree.map(lambda *outputs: jnp.stack(outputs), *found)


def _fold(arrays: Any, size: int) -> Any:
    """Fold the first axis into (batches, size)."""
    return jax.tree.map(lambda array: array.reshape(-1, size, *array.shape[1:]), arrays)


def _learning_rate_index(model: keras.Model) -> int:
    """Return the position of the learning rate among the optimizer's variables; -1 for a schedule."""
    rate = getattr(model.optimizer, "learning_rate", None)
    return next((index for index, variable in enumerate(model.optimizer.variables) if variable is rate), -1)


def _values(variables: Iterable[Sequence[Any]]) -> tuple[list[Any], ...]:
    return tuple([variable.value for variable in group] for group in variables)


def _assign(variables: Iterable[Sequence[Any]], values: Iterable[Sequence[Any]]) -> None:
    for group, new in zip(variables, values, strict=True):
        for variable, value in zip(group, new, strict=True):
            variable.assign(value)
