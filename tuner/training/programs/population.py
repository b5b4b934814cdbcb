"""Several models of equal structure as one JAX program: their variables are stacked, and each step is mapped over them.

A small net leaves nearly all of a GPU idle, and much of a CPU when it is a dense one; k of them as one program take k
times the arithmetic and the same number of operations. Each member has its own weights, optimizer, dropout seeds,
order, augmentation, learning rate and free numbers (`free_numbers`), and may have its own images, so that it computes
what it computes alone, up to rounding.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from tuner.training.epoch_draws import EpochDraws
from tuner.training.free_numbers import find_free_numbers, read_numbers
from tuner.training.programs.interface import EpochInputs, Measured, ProgramImages
from tuner.training.programs.jax import EpochLoops, training_variables

#: Member, by its position among the models → Keras' logs.
LogsByMember = dict[int, dict[str, float]]


class Population:
    """Models and their images on the device; the state of those that it holds is here between epochs, not in them.

    Args:
        models: Built, compiled, and equal in all but the values of their variables and their free numbers, see
            `population.describe_member`.
        inputs: What a program is made of; the members share its images and batch size.
    """

    def __init__(self, models: Sequence[keras.Model], inputs: EpochInputs) -> None:
        #: Its steps are those of all.
        self._compiled = models[0]
        self._loops = EpochLoops(self._compiled, inputs, of_population=True)
        self._compiled.reset_metrics()
        self._fresh_metrics = [jnp.asarray(variable.value) for variable in self._compiled.metrics_variables]
        self._read_metrics = jax.jit(jax.vmap(self._metrics_result))
        self.take_models(models)

    def take_models(self, models: Sequence[keras.Model]) -> None:
        """Train these models from now on, which are equal to those before; it holds none of them yet."""
        self._models = list(models)
        #: Trainable, other and optimizer's variables; the first axis of each array is rows.
        self._state = _nothing()
        #: As it was before the last epoch.
        self._before = self._state
        self._numbers: Any = ()
        #: Member → its row. Rows of members that have left are computed and not looked at.
        self._rows: dict[int, int] = {}
        self._n_rows = 0

    def take_images(self, images: ProgramImages) -> None:
        """Train and measure on other images from now on; their arrays have the shapes and types of those before."""
        self._loops.take_images(images)

    @property
    def members(self) -> list[int]:
        """Those that it holds, in order."""
        return list(self._rows)

    def hold(self, members: Sequence[int]) -> None:
        """Train these members, from the state of their models."""
        states = [training_variables(self._models[member])[:3] for member in members]
        self._state = tuple(
            [_stack(variables) for variables in zip(*parts, strict=True)] for parts in zip(*states, strict=True)
        )
        self._before = self._state
        numbers = [read_numbers(find_free_numbers(self._models[member])) for member in members]
        self._numbers = jax.device_put(np.stack(numbers))
        self._rows = {member: row for row, member in enumerate(members)}
        self._n_rows = len(members)

    def release(self) -> None:
        """Give the models of those that it holds their state back, and hold none."""
        if self._rows:
            self.update_models(self._rows)
        self._state = self._before = _nothing()
        self._rows, self._n_rows = {}, 0

    def train_epoch(self, draws: Mapping[int, EpochDraws]) -> LogsByMember:
        """Train each member one epoch by its own draws; return its logs, such as `loss` and `accuracy`."""
        self._pack()
        self._before = self._state
        stacked = jax.tree.map(lambda *arrays: np.stack(arrays, axis=1), *self._by_row(draws))
        *state, metrics, _ = self._loops.train((*self._state, self._metrics(), self._numbers), stacked)
        self._state = tuple(state)
        return self._logs(metrics)

    def validate(self, rows: Mapping[int, NDArray[np.int32]] | None = None) -> dict[int, Measured]:
        """Measure the validation set; nothing without one.

        Args:
            rows: Where each member has its own: which of the images these are, shape (n,).
        """
        if rows is None and not self._loops.has_validation:
            return {member: Measured({}) for member in self._rows}
        trainable, non_trainable, optimizer = self._state
        of_members = None if rows is None else np.stack(self._by_row(rows), axis=1)
        before = (trainable, non_trainable, self._metrics(), self._numbers)
        (trainable, non_trainable, metrics, _), answers = self._loops.validate(before, of_members)
        self._state = (trainable, non_trainable, optimizer)
        found = None if answers is None else np.asarray(answers)
        return {
            member: Measured(logs, None if found is None else found[:, self._rows[member]])
            for member, logs in self._logs(metrics).items()
        }

    def undo(self) -> None:
        """Go back to the state before the epoch that could not be finished."""
        self._state = self._before

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
            self._state, self._numbers = jax.tree.map(lambda stacked: stacked[rows], (self._state, self._numbers))
            self._rows, self._n_rows = {member: row for row, member in enumerate(self._rows)}, n_rows

    def _by_row(self, of_members: Mapping[int, Any]) -> list[Any]:
        """Return what each row is given; one whose member has left gets that of another."""
        found = [next(iter(of_members.values()))] * self._n_rows
        for member, row in self._rows.items():
            found[row] = of_members[member]
        return found

    def _metrics(self) -> list[Any]:
        """Return metrics at their start, stacked."""
        return [jnp.broadcast_to(value, (self._n_rows, *value.shape)) for value in self._fresh_metrics]

    def _metrics_result(self, values: Sequence[Any]) -> Mapping[str, Any]:
        model = self._compiled
        with keras.StatelessScope(state_mapping=list(zip(model.metrics_variables, values, strict=True))):
            result: Mapping[str, Any] = model.get_metrics_result()
        return result

    def _logs(self, metrics: Any) -> LogsByMember:
        results = jax.device_get(self._read_metrics(metrics))
        return {
            member: {name: float(values[row]) for name, values in results.items()} for member, row in self._rows.items()
        }


def _nothing() -> tuple[list[Any], ...]:
    return [], [], []


def _stack(variables: Sequence[Any]) -> Any:
    return jax.device_put(np.stack([np.asarray(variable.value) for variable in variables]))
