"""The epochs of a population: which members are trained at once, and what an epoch's end means to each of them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.backends import is_out_of_memory
from tuner.training.epoch_draws import EpochDraws, draw_epoch
from tuner.training.history import TrainingHistory
from tuner.training.plan import Part
from tuner.training.populations.widths import WidthChoice
from tuner.training.programs.interface import EpochProgram, Measured
from tuner.training.run import TrainingRun, refuse_nan_loss
from tuner.training.variables import current_learning_rate, finalize_weights

if TYPE_CHECKING:
    from tuner.training.programs.population import Population


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationRun:
    """A member's training run."""

    training: TrainingRun
    #: Whether it has a checkpoint.
    is_stored: bool
    #: Its own images; None: all of the population.
    part: Part | None

    @property
    def n_epochs_left(self) -> int:
        return max(0, self.training.plan.epochs - len(self.training.epochs))

    @property
    def needs_model(self) -> bool:
        """Whether the model itself must have its state after the next epoch, which copies it to the host."""
        run = self.training
        # Else the rate depends on the steps so far.
        has_plain_rate = isinstance(getattr(run.model.optimizer, "learning_rate", None), keras.Variable)
        return self.is_stored or self.n_epochs_left <= 1 or not has_plain_rate or run.plan.training.early_stopping > 0


class _Program(Protocol):
    """Trains the members that it holds."""

    def hold(self, members: Sequence[int]) -> None: ...

    def release(self) -> None: ...

    def train_epoch(self, draws: Mapping[int, EpochDraws]) -> dict[int, dict[str, float]]: ...

    def validate(self) -> dict[int, Measured]: ...

    def undo(self) -> None: ...

    def update_models(self, members: Iterable[int]) -> None: ...

    def leave(self, member: int) -> None: ...


class PopulationEpochs:
    """Trains all runs to their ends; those that resumed later epochs than others end earlier.

    Args:
        runs: Of equal structure.
        population: Of their models.
        choice: How many are trained at once.
        is_one_job: See `train_population`.
    """

    def __init__(
        self, runs: Sequence[PopulationRun], population: "Population", choice: WidthChoice, *, is_one_job: bool
    ) -> None:
        self.runs, self._choice, self._is_one_job = runs, choice, is_one_job
        self._together, self._alone = _Together(runs, population), _Alone(runs)
        self._program: _Program = self._alone
        self._held: list[int] = []
        #: How many were to be trained at once when they were chosen.
        self._held_at = 0
        self._results: dict[int, TrainingHistory | Exception] = {}

    def train(self) -> list[TrainingHistory | Exception]:
        for index, run in enumerate(self.runs):
            try:
                run.training.resume()
                if run.training.finished:
                    self._results[index] = _finish(run.training)
            except Exception as error:  # noqa: BLE001 - returned, beside the results of the others
                self._results[index] = error
        self._raise_if_one_job()
        while left := [index for index in range(len(self.runs)) if index not in self._results]:
            self._hold_some_of(left)
            self._train_one_epoch()
            self._raise_if_one_job()
        return [self._results[index] for index in range(len(self.runs))]

    def _hold_some_of(self, left: Sequence[int]) -> None:
        """Hold as many as are to be trained at once."""
        n = min(self._choice.width, len(left))
        held = [index for index in self._held if index in left]
        if len(held) == n and self._held_at == self._choice.width:
            self._held = held
            return
        self._held_at = self._choice.width
        # While numbers are tried, those are trained that are behind the others.
        kept = held if self._choice.is_settled else []
        others = sorted(set(left) - set(kept), key=lambda index: (len(self.runs[index].training.epochs), index))
        self._program.release()
        self._held = sorted([*kept, *others][:n])
        self._program = self._alone if self._choice.width == 1 else self._together
        self._program.hold(self._held)

    def _train_one_epoch(self) -> None:
        started, held, is_full = time.perf_counter(), self._held, len(self._held) == self._choice.width
        try:
            logs = self._program.train_epoch({index: self._draw(index) for index in held})
            measured = self._program.validate()
        except Exception as error:
            if not is_out_of_memory(error) or self._choice.width == 1:
                raise
            self._program.undo()
            self._choice.refuse()
            return
        # Of each its share: together they take the time that passes.
        duration_s = (time.perf_counter() - started) / len(held)
        self._program.update_models([index for index in held if self.runs[index].needs_model])
        for index in held:
            validation = {f"val_{name}": value for name, value in measured[index].logs.items()}
            self._end_epoch(index, logs[index] | validation, measured[index].answers, duration_s)
        if is_full:
            n_left = sum(run.n_epochs_left for index, run in enumerate(self.runs) if index not in self._results)
            self._choice.observe(time.perf_counter() - started, n_epochs_left=n_left)

    def _draw(self, index: int) -> EpochDraws:
        run = self.runs[index].training
        epoch, images = len(run.epochs) + 1, run.data.train
        return draw_epoch(
            run.plan,
            epoch=epoch,
            n_images=len(images),
            image_shape=images.image_format.shape,
            learning_rates=run.learning_rates(epoch),
        )

    def _end_epoch(
        self, index: int, logs: dict[str, float], answers: NDArray[np.float32] | None, duration_s: float
    ) -> None:
        run = self.runs[index].training
        epoch = len(run.epochs) + 1
        rates = run.learning_rates(epoch)
        rate = current_learning_rate(run.model) if rates is None else float(rates[-1])
        try:
            refuse_nan_loss(epoch, logs)
            run.finish_epoch(epoch, logs, duration_s, learning_rate=rate, answers=answers)
            if run.finished:
                self._results[index] = _finish(run)
        except Exception as error:  # noqa: BLE001 - returned, beside the results of the others
            self._results[index] = error
        if index in self._results:
            self._program.leave(index)

    def _raise_if_one_job(self) -> None:
        errors = [end for _, end in sorted(self._results.items()) if isinstance(end, Exception)]
        if self._is_one_job and errors:
            raise errors[0]


def _finish(run: TrainingRun) -> TrainingHistory:
    finalize_weights(run.model)
    run.await_checkpoint()
    return TrainingHistory(
        resumed_from=run.resumed_from,
        epochs=tuple(run.epochs),
        augmented=run.plan.augmentation is not None,
        measured=tuple(run.logs[-1] if run.logs else ()),
        restored_epoch=run.restore_best_epoch(),
    )


class _Together:
    """The population's program, with the rows of each member's own images."""

    def __init__(self, runs: Sequence[PopulationRun], population: "Population") -> None:
        self._runs, self._population = runs, population
        self.hold, self.release = population.hold, population.release
        self.undo, self.update_models, self.leave = population.undo, population.update_models, population.leave

    def train_epoch(self, draws: Mapping[int, EpochDraws]) -> dict[int, dict[str, float]]:
        return self._population.train_epoch({index: self._to_rows(index, drawn) for index, drawn in draws.items()})

    def validate(self) -> dict[int, Measured]:
        parts = {index: self._runs[index].part for index in self._population.members}
        own = {index: part.validation_rows for index, part in parts.items() if part is not None}
        return self._population.validate(own or None)

    def _to_rows(self, index: int, drawn: EpochDraws) -> EpochDraws:
        part = self._runs[index].part
        return drawn if part is None else drawn._replace(order=part.train_rows[drawn.order])


class _Alone:
    """One member at a time by the program of a single model, as `train` trains it."""

    def __init__(self, runs: Sequence[PopulationRun]) -> None:
        self._runs = runs
        self._held: tuple[int, EpochProgram] | None = None

    def hold(self, members: Sequence[int]) -> None:
        (member,) = members
        run = self._runs[member].training
        self._held = member, run.programs.open(run.model, run.data, run.plan, with_answers=run.wants_answers)

    def release(self) -> None:
        self._held = None

    def train_epoch(self, draws: Mapping[int, EpochDraws]) -> dict[int, dict[str, float]]:
        member, program = self._held_one()
        return {member: program.train_epoch(draws[member])}

    def validate(self) -> dict[int, Measured]:
        member, program = self._held_one()
        return {member: program.validate()}

    def undo(self) -> None:
        """Do nothing: what one model cannot train ends it."""

    def update_models(self, members: Iterable[int]) -> None:
        """Do nothing: the program trains the model itself."""

    def leave(self, member: int) -> None:
        """Do nothing: it is released before another one is held."""

    def _held_one(self) -> tuple[int, EpochProgram]:
        if self._held is None:
            raise ValueError("Received an epoch for no member. Expected one to be held.")
        return self._held
