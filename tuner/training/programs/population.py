"""Several models of equal structure as one JAX program: their variables are stacked, and each step is mapped over them.

A small net leaves nearly all of a GPU idle, and much of a CPU when it is a dense one; k of them as one program take k
times the arithmetic and the same number of operations. Each member has its own weights, optimizer, dropout seeds,
order, augmentation and learning rate, so that it computes what it computes alone, up to rounding.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from tuner.training.epoch_draws import EpochDraws
from tuner.training.programs.interface import EpochInputs
from tuner.training.programs.jax import EpochLoops, training_variables

#: Member, by its position among the models → Keras' logs.
LogsByMember = dict[int, dict[str, float]]


class Population:
    """Models and their data on the device; between epochs their state is here, not in the models.

    Args:
        models: Built, compiled, and equal in all but the values of their variables, see `cache.describe_model`.
        inputs: What a program is made of; the members share images, targets and batch size.
    """

    def __init__(self, models: Sequence[keras.Model], inputs: EpochInputs) -> None:
        self._models = list(models)
        first = self._models[0]
        self._loops = EpochLoops(first, inputs, of_population=True)
        first.reset_metrics()
        self._fresh_metrics = [jnp.asarray(variable.value) for variable in first.metrics_variables]
        self._read_metrics = jax.jit(jax.vmap(self._metrics_result))
        states = [training_variables(model)[:3] for model in self._models]
        #: Trainable, other and optimizer's variables; the first axis of each array is rows.
        self._state = tuple(
            [_stack(variables) for variables in zip(*parts, strict=True)] for parts in zip(*states, strict=True)
        )
        #: Member → its row. Rows of members that have left are computed and not looked at.
        self._rows = {member: member for member in range(len(self._models))}
        self._n_rows = len(self._models)

    @property
    def members(self) -> list[int]:
        """Those that have not left, in order."""
        return list(self._rows)

    def train_epoch(self, draws: Mapping[int, EpochDraws]) -> LogsByMember:
        """Train each member one epoch by its own draws; return its logs, such as `loss` and `accuracy`."""
        self._pack()
        any_draws = next(iter(draws.values()))
        of_rows = [any_draws] * self._n_rows
        for member, row in self._rows.items():
            of_rows[row] = draws[member]
        stacked = jax.tree.map(lambda *arrays: np.stack(arrays, axis=1), *of_rows)
        *state, metrics = self._loops.train((*self._state, self._metrics()), stacked)
        self._state = tuple(state)
        return self._logs(metrics)

    def validate(self) -> LogsByMember:
        """Measure the validation set; return each member's logs without `val_`, nothing without a validation set."""
        if not self._loops.has_validation:
            return {member: {} for member in self._rows}
        trainable, non_trainable, optimizer = self._state
        state, _ = self._loops.validate((trainable, non_trainable, self._metrics()))
        trainable, non_trainable, metrics = state
        self._state = (trainable, non_trainable, optimizer)
        return self._logs(metrics)

    def update_models(self, members: Iterable[int]) -> None:
        """Give these models the state that their members have here."""
        on_host = jax.device_get(self._state)
        for member in members:
            row = self._rows[member]
            variables = training_variables(self._models[member])[:3]
            for group, stacked in zip(variables, on_host, strict=True):
                for variable, values in zip(group, stacked, strict=True):
                    variable.assign(values[row])

    def leave(self, member: int) -> None:
        """Train this member no more."""
        del self._rows[member]

    def _pack(self) -> None:
        """Once half of the rows are left over, move the rest into the next power of two, which compiles anew."""
        n_rows = 1 << (len(self._rows) - 1).bit_length()
        if n_rows <= self._n_rows // 2:
            taken = list(self._rows.values())
            rows = np.array(taken + taken[:1] * (n_rows - len(taken)))
            self._state = jax.tree.map(lambda stacked: stacked[rows], self._state)
            self._rows, self._n_rows = {member: row for row, member in enumerate(self._rows)}, n_rows

    def _metrics(self) -> list[Any]:
        """Return metrics at their start, stacked."""
        return [jnp.broadcast_to(value, (self._n_rows, *value.shape)) for value in self._fresh_metrics]

    def _metrics_result(self, values: Sequence[Any]) -> Mapping[str, Any]:
        model = self._models[0]
        with keras.StatelessScope(state_mapping=list(zip(model.metrics_variables, values, strict=True))):
            result: Mapping[str, Any] = model.get_metrics_result()
        return result

    def _logs(self, metrics: Any) -> LogsByMember:
        results = jax.device_get(self._read_metrics(metrics))
        return {
            member: {name: float(values[row]) for name, values in results.items()} for member, row in self._rows.items()
        }


def _stack(variables: Sequence[Any]) -> Any:
    return jax.device_put(np.stack([np.asarray(variable.value) for variable in variables]))
