"""A hyperparameter of KerasTuner's as Optuna knows it: its name there, its distribution, and how values are converted.

The table of `hp` says which kinds become which.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import optuna
from keras_tuner.engine import hyperparameters as kinds
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.errors import TunerError
from tuner.spaces.parameter_words import conditional_name, describe_range
from tuner.studies.samplers.grid import GridValuesError

#: Length of the longest name that Optuna's tables can hold on Postgres.
_MAX_NAME = 512
#: Values of a hyperparameter that are listed at most; of more, such as all seeds, a grid is told which to try.
_MOST_LISTED = 10_000
#: Optuna stores integers as floats, which skip whole numbers beyond it.
_LARGEST_INTEGER = 2**53


class UnsearchableError(TunerError):
    """A builder asks for a hyperparameter that no sampler can draw."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The hyperparameter {name[:_MAX_NAME]!r} cannot be searched: {reason.rstrip('.')}. Change it in the "
            "builder."
        )


@dataclass(frozen=True, kw_only=True)
class OptunaParameter:
    """What Optuna draws in place of one KerasTuner hyperparameter."""

    name: str
    distribution: IntDistribution | FloatDistribution | CategoricalDistribution
    #: Converts Optuna's answer to KerasTuner's value.
    decode: Callable[[Any], Any]
    #: Converts KerasTuner's value to Optuna's answer, or the nearest one if there is none.
    encode: Callable[[Any], Any]

    @property
    def is_answered_as_it_is(self) -> bool:
        """Whether Optuna's answer is the value itself, not its index or mirror image."""
        return self.decode in (_unchanged, bool)

    @property
    def finite_answers(self) -> tuple[Any, ...] | None:
        """All answers that Optuna can give, in order; None of a continuum, integers on a log scale, and very many."""
        asked = self.distribution
        if isinstance(asked, CategoricalDistribution):
            return asked.choices
        if asked.log or asked.step is None:
            return None
        n_values = _count_steps(asked.low, asked.high, asked.step)
        if n_values > _MOST_LISTED:
            return None
        number = int if isinstance(asked, IntDistribution) else float
        return tuple(number(_step(index, asked.low, asked.step)) for index in range(n_values))

    def find_answer(self, value: Any) -> Any:
        """Convert one of KerasTuner's values to Optuna's answer; None if the parameter does not have the value."""
        if isinstance(self.distribution, CategoricalDistribution):
            choices = self.distribution.choices
            # KerasTuner converts booleans to 0 and 1; other numbers are not equal to true or false.
            is_flag = isinstance(value, bool) and not set(choices) <= {0, 1}
            return None if is_flag else next((choice for choice in choices if choice == value), None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        answer = self.encode(value)
        is_exact = self.accepts(answer) and math.isclose(self.decode(answer), value, rel_tol=1e-9)
        return answer if is_exact else None

    def accepts(self, answer: Any) -> bool:
        """Say whether Optuna could give this answer."""
        asked = self.distribution
        if isinstance(asked, CategoricalDistribution):
            return answer in asked.choices
        is_number = isinstance(answer, int | float) and not isinstance(answer, bool)
        return is_number and asked._contains(float(answer))  # noqa: SLF001 - Optuna has no public way to ask

    def suggest(self, trial: optuna.trial.BaseTrial) -> Any:
        """Let the trial answer."""
        asked = self.distribution
        if isinstance(asked, CategoricalDistribution):
            return trial.suggest_categorical(self.name, asked.choices)
        if isinstance(asked, IntDistribution):
            return trial.suggest_int(self.name, asked.low, asked.high, step=asked.step, log=asked.log)
        return trial.suggest_float(self.name, asked.low, asked.high, step=asked.step, log=asked.log)


def to_optuna(declared: Any, grid: Mapping[str, Sequence[Any]] | None = None) -> OptunaParameter:
    """Return what Optuna draws in place of a hyperparameter.

    Args:
        declared: KerasTuner's object, of `keras_tuner.engine.hyperparameters`.
        grid: Where it has values for a hyperparameter that would be asked by index or mirrored, these are its
            categories.

    Raises:
        UnsearchableError: Optuna has no counterpart.
        GridValuesError: The grid has a value that the hyperparameter does not have.
    """
    step = getattr(declared, "step", None)
    if step is not None and step <= 0:
        raise UnsearchableError(declared.name, f"its step is {step}, expected more than 0")
    ends = (getattr(declared, "min_value", 0), getattr(declared, "max_value", 0))
    if not all(map(math.isfinite, ends)):
        raise UnsearchableError(declared.name, f"its range is {ends[0]} to {ends[1]}, expected finite numbers")
    if isinstance(declared, kinds.Int) and max(map(abs, ends)) > _LARGEST_INTEGER:
        reason = f"its range is {ends[0]} to {ends[1]}, expected at most 2**53, beyond which floats skip whole numbers"
        raise UnsearchableError(declared.name, reason)
    try:
        parameter = _translate(declared, conditional_name(declared))
    except (ValueError, ArithmeticError) as error:
        raise UnsearchableError(declared.name, str(error)) from error
    parameter = replace(parameter, name=_shorten(parameter.name))
    return parameter if parameter.is_answered_as_it_is else _among_given(declared, parameter, grid or {})


def suggest(trial: optuna.trial.BaseTrial, declared: Any, parameter: OptunaParameter) -> Any:
    """Let a trial answer under the name that its study has for a hyperparameter of this kind and range.

    Args:
        trial: The trial.
        declared: KerasTuner's object.
        parameter: What `to_optuna` returns of it.
    """
    described = _described(declared, parameter)
    if described.name in trial.params:
        # The previous worker of this trial asked under this name.
        return described.suggest(trial)
    try:
        return parameter.suggest(trial)
    except ValueError:
        # Optuna's study, or the enqueued values of this trial, have another kind or range under the plain name.
        return described.suggest(trial)


def _translate(declared: Any, name: str) -> OptunaParameter:
    if isinstance(declared, kinds.Boolean):
        return OptunaParameter(name=name, distribution=CategoricalDistribution([False, True]), decode=bool, encode=bool)
    if isinstance(declared, kinds.Choice):
        # A choice that the builder offers twice is not drawn more often than the others.
        distribution = CategoricalDistribution(tuple(dict.fromkeys(declared.values)))
        return OptunaParameter(name=name, distribution=distribution, decode=_unchanged, encode=_unchanged)
    return _translate_number(declared, name)


def _translate_number(declared: Any, name: str) -> OptunaParameter:
    if declared.sampling == "linear" or (declared.sampling == "log" and declared.step is None):
        log = declared.sampling == "log"
        distribution = _range(declared, step=declared.step, log=log)
        return OptunaParameter(name=name, distribution=distribution, decode=_unchanged, encode=_unchanged)
    low, high = declared.min_value, declared.max_value
    number = int if isinstance(declared, kinds.Int) else float
    if declared.step is None:
        return OptunaParameter(
            name=f"{name} (mirrored)",
            distribution=_range(declared, step=None, log=True),
            decode=lambda answer: number(low + high - answer),
            # Exact at both ends: 0.1 + 0.9 - 0.9 is less than 0.1.
            encode=lambda value: {low: high, high: low}.get(value, low + high - value),
        )
    # KerasTuner adds the same small term: rounding may give 2.9999 steps instead of 3.
    n_steps = int(math.log(high / low, declared.step) + 1e-8)
    powers = [low * declared.step**index for index in range(n_steps + 1)]
    values = [number(power if declared.sampling == "log" else low + high - power) for power in powers]
    return OptunaParameter(
        name=f"{name} (index)",
        distribution=IntDistribution(0, n_steps),
        decode=values.__getitem__,
        # The nearest step, because a default need not be on a step.
        encode=lambda value: min(range(n_steps + 1), key=lambda index: abs(values[index] - value)),
    )


def _among_given(declared: Any, parameter: OptunaParameter, grid: Mapping[str, Sequence[Any]]) -> OptunaParameter:
    """Return the parameter as a category if the grid has values for it."""
    name = conditional_name(declared)
    given = grid.get(name, grid.get(declared.name))
    if given is None:
        return parameter
    answers = {value: parameter.find_answer(value) for value in given}
    wrong = [value for value, answer in answers.items() if answer is None]
    if wrong:
        raise GridValuesError(
            f"search.grid.{declared.name}: received {wrong[0]!r}, expected {describe_range(declared)}, as the space "
            "says."
        )
    number = int if isinstance(declared, kinds.Int) else float
    return OptunaParameter(
        name=_shorten(name),
        distribution=CategoricalDistribution(tuple(given)),
        # On steps, decoding returns KerasTuner's exact value; mirroring twice would add a rounding error.
        decode=number if declared.step is None else lambda value: parameter.decode(answers[value]),
        encode=_unchanged,
    )


def _described(declared: Any, parameter: OptunaParameter) -> OptunaParameter:
    """Return the parameter under a name that contains its kind and range."""
    kind = type(declared).__name__.lower()
    values = ", ".join(map(repr, declared.values)) if kind == "choice" else describe_range(declared)
    return replace(parameter, name=_shorten(f"{parameter.name} [{kind} {values}]"))


def _shorten(name: str) -> str:
    """Return a name that is short enough for Postgres; different names stay different."""
    if len(name) <= _MAX_NAME:
        return name
    ending = f" … {hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return name[: _MAX_NAME - len(ending)] + ending


def _range(declared: Any, *, step: float | None, log: bool) -> IntDistribution | FloatDistribution:
    low, high = declared.min_value, declared.max_value
    if step is not None:
        # Otherwise Optuna warns that the range does not end on a step.
        high = _step(_count_steps(low, high, step) - 1, low, step)
    if isinstance(declared, kinds.Int):
        return IntDistribution(low, int(high), step=int(step or 1), log=log)
    return FloatDistribution(low, float(high), step=step, log=log)


def _unchanged(answer: Any) -> Any:
    return answer


def _count_steps(low: float, high: float, step: float) -> int:
    """Return the number of values low, low + step, … up to high; exactly: in binary, three steps of 0.1 exceed 0.3."""
    return int((Decimal(str(high)) - Decimal(str(low))) / Decimal(str(step))) + 1


def _step(index: int, low: float, step: float) -> Decimal:
    """Return low + index * step, exactly."""
    return Decimal(str(low)) + Decimal(str(step)) * index
