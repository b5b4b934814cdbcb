"""Whole epochs as `jax.lax.scan` over Keras' stateless steps."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import keras
import numpy as np
from numpy.typing import NDArray

from tuner.training.batches import Augmenter, scale
from tuner.training.epoch_draws import EpochDraws


class JaxEpochs:
    """An `EpochProgram`; full batches are scanned, a partial one follows with a step of its own shape."""

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
        self._model, self._augmenter = model, augmenter
        self._train, self._validation = jax.device_put(train), jax.device_put(validation)
        self._batch_size, self._validation_batch_size = batch_size, validation_batch_size
        self._learning_rate_index = _learning_rate_index(model)
        self._train_loop, self._validation_loop = jax.jit(self._run_epoch), jax.jit(self._run_validation)

    def train_epoch(self, draws: EpochDraws) -> dict[str, float]:
        model = self._model
        model.reset_metrics()
        variables = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        _assign(variables, self._train_loop(_values(variables), self._train, draws))
        return self._logs()

    def validate(self) -> dict[str, float]:
        if self._validation is None:
            return {}
        model = self._model
        model.reset_metrics()
        variables = (model.trainable_variables, model.non_trainable_variables, model.metrics_variables)
        _assign(variables, self._validation_loop(_values(variables), self._validation))
        return self._logs()

    def _logs(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}

    def _run_epoch(self, state: Any, data: tuple[Any, ...], draws: EpochDraws) -> Any:
        images, *others = data

        def step(state: Any, batch: EpochDraws) -> tuple[Any, None]:
            if batch.learning_rates is not None:
                state = self._with_learning_rate(state, batch.learning_rates)
            others_here = [other[batch.order] for other in others]
            _, state = self._model.train_step(state, self._augmenter(images[batch.order], others_here, batch.images))
            return state, None

        # Rates have one row a step, everything else one row an image.
        rates = draws.learning_rates
        full, rest = _split_batches(draws._replace(learning_rates=None), len(images), self._batch_size)
        n_full = len(images) // self._batch_size
        state, _ = jax.lax.scan(step, state, full._replace(learning_rates=None if rates is None else rates[:n_full]))
        if rest is not None:
            state, _ = step(state, rest._replace(learning_rates=None if rates is None else rates[n_full]))
        return state

    def _with_learning_rate(self, state: Any, rate: Any) -> Any:
        trainable, non_trainable, optimizer, metrics = state
        index = self._learning_rate_index
        return trainable, non_trainable, [*optimizer[:index], rate, *optimizer[index + 1 :]], metrics

    def _run_validation(self, state: Any, data: tuple[Any, Any]) -> Any:
        def step(state: Any, batch: tuple[Any, Any]) -> tuple[Any, None]:
            images, targets = batch
            _, state = self._model.test_step(state, (scale(images), targets))
            return state, None

        full, rest = _split_batches(data, len(data[0]), self._validation_batch_size)
        state, _ = jax.lax.scan(step, state, full)
        return state if rest is None else step(state, rest)[0]


def _split_batches(arrays: Any, n: int, size: int) -> tuple[Any, Any | None]:
    """Fold the first axis into (batches, size); what is left over comes second, or None."""
    n_full = n // size * size
    full = jax.tree.map(lambda array: array[:n_full].reshape(-1, size, *array.shape[1:]), arrays)
    return full, jax.tree.map(lambda array: array[n_full:], arrays) if n_full < n else None


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
