"""KerasTuner's `hp`, answered by an Optuna trial, so that any Optuna sampler can search any KerasTuner builder.

| KerasTuner | Optuna is asked for |
|---|---|
| `Int`, `Float`, linear or log | an int or float of the same range and step |
| log or reverse log with a step | `name (index)`: the index of the value, because Optuna has no logarithmic steps |
| reverse log | `name (mirrored)`: lowest plus highest minus the value, on a log scale |
| `Choice`, `Boolean` | a category |
| `Fixed` | nothing |

If a grid has values for a hyperparameter that is asked by index or mirrored, Optuna is asked for a category of these
values.

KerasTuner identifies hyperparameters by name and conditions, Optuna only by name, and in Optuna a name may not change
its choices between trials. Therefore a conditional hyperparameter's name in Optuna ends in its conditions, as in
`momentum [optimizer=sgd]`. If the kind or the choices of a hyperparameter depend on other values in a plain `if`, it is
asked under its name as long as Optuna's study has it in that form; any other form gets a name that describes it, as in
`kernel [choice 3, 5]`. A name that is too long for Postgres is cut and ends in a hash.

The values of a trial are therefore read from `values`, under KerasTuner's names and with KerasTuner's types, not from
Optuna's parameters. JSON can hold them, and `fixed_hyperparameters` rebuilds the model from them.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

import keras_tuner
import optuna
from keras_tuner.engine import hyperparameters as kinds
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError
from tuner.spaces.declared import declare_hyperparameters
from tuner.spaces.fixed_values import accept_fixed, may_be_asked, refuse_unknown, why_outside
from tuner.spaces.parameter_words import conditional_name, describe_range
from tuner.spaces.ranges import Ranges, refuse_unknown_ranges, with_range
from tuner.spaces.space import Space
from tuner.studies.samplers.grid import GridValuesError
from tuner.studies.samplers.one_factor import NotGivenError

_log = logging.getLogger(__name__)

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


class OptunaHyperParameters(keras_tuner.HyperParameters):  # type: ignore[misc] # KerasTuner ships no types
    """Hyperparameters whose values come from a trial, or from the study if it fixes them.

    A trial that another worker began gives the same answers again, so a resumed trial rebuilds the same model.
    """

    def __init__(
        self,
        trial: optuna.trial.BaseTrial | None,
        *,
        fixed: Mapping[str, Any] | None = None,
        grid: Mapping[str, Sequence[Any]] | None = None,
        ranges: Ranges | None = None,
    ) -> None:
        """Start with no values.

        Args:
            trial: The trial that draws the values; None for the space's defaults.
            fixed: The study's fixed values.
            grid: The study's `search.grid`.
            ranges: The study's ranges, in place of what the builder declares.
        """
        super().__init__()
        self._trial = trial
        self._fixed = dict(fixed or {})
        self._grid = dict(grid or {})
        self._ranges = dict(ranges or {})

    def refuse_unknown_names(self) -> None:
        """Check that every name that is fixed or has a range was asked for.

        Call it when the model is built or, if the space has its own `fit`, which may ask for more, when it is trained.

        Raises:
            UnknownFixedError: A fixed name was not asked for.
            UnknownRangeError: A name with a range was not.
        """
        refuse_unknown(self._fixed, [parameter.name for parameter in self.space])
        refuse_unknown_ranges(self._ranges, self.space)

    def Choice(self, name: str, values: Sequence[Any], *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - KerasTuner's name
        """Ask for a choice; booleans stay booleans, which KerasTuner would convert to 0 and 1."""
        value = super().Choice(name, values, *args, **kwargs)
        if value is not None and all(isinstance(choice, bool) for choice in values):
            value = self.values[self._get_name(name)] = bool(value)
        return value

    def _retrieve(self, hp: Any) -> Any:
        # All of KerasTuner's methods call this one, which uses a default only for a name that has no value.
        hp = with_range(hp, self._ranges)
        if hp.name not in self.values and self.is_active(hp):
            self.values[hp.name] = self._answer(hp)
        return super()._retrieve(hp)

    def _answer(self, parameter: Any) -> Any:
        if parameter.name in self._fixed:
            return accept_fixed(parameter, self._fixed[parameter.name])
        if isinstance(parameter, kinds.Fixed):
            return parameter.value
        if self._trial is None:
            return parameter.default
        question = _question(parameter)
        if not question.is_answered_as_it_is:
            question = _among_given(parameter, question, self._grid)
        try:
            return question.decode(_suggest(self._trial, parameter, question))
        except NotGivenError:
            return parameter.default


@dataclass(frozen=True, kw_only=True)
class DeclaredParameter:
    """One hyperparameter that a study asks its sampler for."""

    #: Its name in `hp.values`.
    name: str
    #: KerasTuner's own object, of `keras_tuner.engine.hyperparameters`: range, default, conditions.
    declared: Any
    optuna_name: str
    #: Its other name in `search.grid`, for one branch of a conditional scope.
    grid_name: str
    #: All values that Optuna can return, in order; None for a continuum, for integers on a log scale without steps, and
    #: for very many.
    optuna_values: tuple[Any, ...] | None
    #: Optuna's answer for the space's default.
    optuna_default: Any
    #: Converts one of KerasTuner's values to Optuna's answer; returns None if the parameter does not have the value.
    optuna_answer: Callable[[Any], Any]
    #: Returns whether Optuna could give this answer.
    optuna_accepts: Callable[[Any], bool]
    #: Whether Optuna's answer is the value itself, not its index or mirror image.
    is_answered_as_it_is: bool


def declared_parameters(
    space: Space, images: ImageFormat, *, fixed: Mapping[str, Any] | None = None, ranges: Ranges | None = None
) -> tuple[DeclaredParameter, ...]:
    """Return the hyperparameters that a search of this space asks for, found by building models with default values.

    Fixed hyperparameters, and those that the fixed values rule out, are left out. For a grid:
    `{parameter.optuna_name: parameter.optuna_values for parameter in …}`. A fixed value outside of its range in a
    branch that the search may enter is logged as a warning.

    Raises:
        FixedValueError: A fixed value has another type, or is a text that the builder does not offer.
        UnsearchableError: Optuna has no counterpart of one of the hyperparameters.
        UnknownFixedError: A fixed name is not asked for, and the space has no own `fit` that could ask for it.
        UnknownRangeError: The same of a name with a range.
        RangeError: A range does not fit what the builder declares.
    """
    fixed = fixed or {}
    declared = declare_hyperparameters(space, images, ranges=ranges or {})
    if space.fit is None:
        refuse_unknown(fixed, [parameter.name for parameter in declared])
        refuse_unknown_ranges(ranges or {}, declared)
    reachable = [parameter for parameter in declared if may_be_asked(parameter, fixed)]
    for parameter in reachable:
        if parameter.name in fixed and (
            remark := why_outside(parameter, accept_fixed(parameter, fixed[parameter.name]))
        ):
            _log.warning("%s", remark)
    asked = [
        parameter for parameter in reachable if parameter.name not in fixed and not isinstance(parameter, kinds.Fixed)
    ]
    return tuple(
        DeclaredParameter(
            name=parameter.name,
            declared=parameter,
            optuna_name=question.name,
            grid_name=conditional_name(parameter),
            optuna_values=_finite_values(question),
            optuna_default=question.encode(parameter.default),
            optuna_answer=partial(_find_answer, question),
            optuna_accepts=partial(_accepts, question),
            is_answered_as_it_is=question.is_answered_as_it_is,
        )
        for parameter, question in ((parameter, _question(parameter)) for parameter in asked)
    )


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What Optuna is asked instead of one KerasTuner hyperparameter."""

    name: str
    distribution: IntDistribution | FloatDistribution | CategoricalDistribution
    #: Converts Optuna's answer to KerasTuner's value.
    decode: Callable[[Any], Any]
    #: Converts KerasTuner's value to Optuna's answer, or the nearest one if there is none.
    encode: Callable[[Any], Any]

    @property
    def is_answered_as_it_is(self) -> bool:
        return self.decode in (_unchanged, bool)


def _find_answer(question: _Question, value: Any) -> Any:
    if isinstance(question.distribution, CategoricalDistribution):
        choices = question.distribution.choices
        # KerasTuner converts booleans to 0 and 1; other numbers are not equal to true or false.
        is_flag = isinstance(value, bool) and not set(choices) <= {0, 1}
        return None if is_flag else next((choice for choice in choices if choice == value), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    answer = question.encode(value)
    is_exact = _accepts(question, answer) and math.isclose(question.decode(answer), value, rel_tol=1e-9)
    return answer if is_exact else None


def _accepts(question: _Question, answer: Any) -> bool:
    asked = question.distribution
    if isinstance(asked, CategoricalDistribution):
        return answer in asked.choices
    is_number = isinstance(answer, int | float) and not isinstance(answer, bool)
    return is_number and asked._contains(float(answer))  # noqa: SLF001 - Optuna has no public way to ask


def _question(parameter: Any) -> _Question:
    step = getattr(parameter, "step", None)
    if step is not None and step <= 0:
        raise UnsearchableError(parameter.name, f"its step is {step}, expected more than 0")
    ends = (getattr(parameter, "min_value", 0), getattr(parameter, "max_value", 0))
    if not all(map(math.isfinite, ends)):
        raise UnsearchableError(parameter.name, f"its range is {ends[0]} to {ends[1]}, expected finite numbers")
    if isinstance(parameter, kinds.Int) and max(map(abs, ends)) > _LARGEST_INTEGER:
        reason = f"its range is {ends[0]} to {ends[1]}, expected at most 2**53, beyond which floats skip whole numbers"
        raise UnsearchableError(parameter.name, reason)
    try:
        question = _translate(parameter, conditional_name(parameter))
    except (ValueError, ArithmeticError) as error:
        raise UnsearchableError(parameter.name, str(error)) from error
    return replace(question, name=_shorten(question.name))


def _translate(parameter: Any, name: str) -> _Question:
    if isinstance(parameter, kinds.Boolean):
        return _Question(name=name, distribution=CategoricalDistribution([False, True]), decode=bool, encode=bool)
    if isinstance(parameter, kinds.Choice):
        # A choice that the builder offers twice is not drawn more often than the others.
        choices = tuple(dict.fromkeys(parameter.values))
        return _Question(name=name, distribution=CategoricalDistribution(choices), decode=_unchanged, encode=_unchanged)
    return _number_question(parameter, name)


def _shorten(name: str) -> str:
    """Return a name that is short enough for Postgres; different names stay different."""
    if len(name) <= _MAX_NAME:
        return name
    ending = f" … {hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return name[: _MAX_NAME - len(ending)] + ending


def _another_form(parameter: Any, question: _Question) -> _Question:
    """Return the question under a name that contains its kind and range."""
    kind = type(parameter).__name__.lower()
    values = ", ".join(map(repr, parameter.values)) if kind == "choice" else describe_range(parameter)
    return replace(question, name=_shorten(f"{question.name} [{kind} {values}]"))


def _number_question(parameter: Any, name: str) -> _Question:
    if parameter.sampling == "linear" or (parameter.sampling == "log" and parameter.step is None):
        log = parameter.sampling == "log"
        distribution = _range(parameter, step=parameter.step, log=log)
        return _Question(name=name, distribution=distribution, decode=_unchanged, encode=_unchanged)
    low, high = parameter.min_value, parameter.max_value
    number = int if isinstance(parameter, kinds.Int) else float
    if parameter.step is None:
        return _Question(
            name=f"{name} (mirrored)",
            distribution=_range(parameter, step=None, log=True),
            decode=lambda answer: number(low + high - answer),
            # Exact at both ends: 0.1 + 0.9 - 0.9 is less than 0.1.
            encode=lambda value: {low: high, high: low}.get(value, low + high - value),
        )
    # KerasTuner adds the same small term: rounding may give 2.9999 steps instead of 3.
    n_steps = int(math.log(high / low, parameter.step) + 1e-8)
    powers = [low * parameter.step**index for index in range(n_steps + 1)]
    values = [number(power if parameter.sampling == "log" else low + high - power) for power in powers]
    return _Question(
        name=f"{name} (index)",
        distribution=IntDistribution(0, n_steps),
        decode=values.__getitem__,
        # The nearest step, because a default need not be on a step.
        encode=lambda value: min(range(n_steps + 1), key=lambda index: abs(values[index] - value)),
    )


def _among_given(parameter: Any, question: _Question, grid: Mapping[str, Sequence[Any]]) -> _Question:
    """Return the question as one for a category if the grid has values for it.

    Raises:
        GridValuesError: The grid has a value that the parameter does not have.
    """
    name = conditional_name(parameter)
    given = grid.get(name, grid.get(parameter.name))
    if given is None:
        return question
    answers = {value: _find_answer(question, value) for value in given}
    wrong = [value for value, answer in answers.items() if answer is None]
    if wrong:
        raise GridValuesError(
            f"search.grid.{parameter.name}: received {wrong[0]!r}, expected {describe_range(parameter)}, as the space "
            "says."
        )
    number = int if isinstance(parameter, kinds.Int) else float
    return _Question(
        name=_shorten(name),
        distribution=CategoricalDistribution(tuple(given)),
        # On steps, decoding returns KerasTuner's exact value; mirroring twice would add a rounding error.
        decode=number if parameter.step is None else lambda value: question.decode(answers[value]),
        encode=_unchanged,
    )


def _range(parameter: Any, *, step: float | None, log: bool) -> IntDistribution | FloatDistribution:
    low, high = parameter.min_value, parameter.max_value
    if step is not None:
        # Otherwise Optuna warns that the range does not end on a step.
        high = _step(_count_steps(low, high, step) - 1, low, step)
    if isinstance(parameter, kinds.Int):
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


def _suggest(trial: optuna.trial.BaseTrial, parameter: Any, question: _Question) -> Any:
    another = _another_form(parameter, question)
    if another.name in trial.params:
        # The previous worker of this trial asked in this form.
        return _ask(trial, another)
    try:
        return _ask(trial, question)
    except ValueError:
        # Optuna's study, or the enqueued values of this trial, have it in another form.
        return _ask(trial, another)


def _ask(trial: optuna.trial.BaseTrial, question: _Question) -> Any:
    asked = question.distribution
    if isinstance(asked, CategoricalDistribution):
        return trial.suggest_categorical(question.name, asked.choices)
    if isinstance(asked, IntDistribution):
        return trial.suggest_int(question.name, asked.low, asked.high, step=asked.step, log=asked.log)
    return trial.suggest_float(question.name, asked.low, asked.high, step=asked.step, log=asked.log)


def _finite_values(question: _Question) -> tuple[Any, ...] | None:
    asked = question.distribution
    if isinstance(asked, CategoricalDistribution):
        return asked.choices
    if asked.log or asked.step is None:
        return None
    n_values = _count_steps(asked.low, asked.high, asked.step)
    if n_values > _MOST_LISTED:
        return None
    number = int if isinstance(asked, IntDistribution) else float
    return tuple(number(_step(index, asked.low, asked.step)) for index in range(n_values))
