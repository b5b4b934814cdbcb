"""KerasTuner's `hp`, answered by an Optuna trial: any KerasTuner builder can be searched by any Optuna sampler.

| KerasTuner | Optuna is asked for |
|---|---|
| `Int`, `Float`, linear or log | an int or float of the same range and step |
| log or reverse log with a step | `name (index)`: the value's place, as Optuna has no logarithmic steps |
| reverse log | `name (mirrored)`: lowest plus highest minus the value, on a log scale |
| `Choice`, `Boolean` | a category |
| `Fixed` | nothing |

In a grid, values given for a place or a mirrored value are asked as a category of these values.

KerasTuner tells hyperparameters apart by name and conditions, Optuna by name alone, and there a name may not change
its choices between trials: a conditional hyperparameter's name in Optuna ends in its conditions, as in
`momentum [optimizer=sgd]`. One whose kind or choices depend on other values in a plain `if` is asked under its name as
long as Optuna's study has it in that form; any other form gets a name that tells it, as in `kernel [choice 3, 5]`. A
name longer than Postgres keeps ends in a hash in place of its rest.

What a trial drew is therefore read from `values`, under KerasTuner's names and with
KerasTuner's types, not from Optuna's parameters; JSON holds it, and `fixed_hyperparameters` rebuilds the model from it.
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
from tuner.spaces.description import describe_range
from tuner.spaces.fixed_values import accept_fixed, may_be_asked, refuse_unknown, why_outside
from tuner.spaces.space import Space
from tuner.studies.samplers.grid import GridValuesError

_log = logging.getLogger(__name__)

#: Characters of a name that Optuna's tables keep on Postgres.
_MAX_NAME = 512


class UnsearchableError(TunerError):
    """A builder asks for a hyperparameter that no sampler can draw."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The hyperparameter {name[:_MAX_NAME]!r} cannot be searched: {reason.rstrip('.')}. Change it in the "
            "builder."
        )


class OptunaHyperParameters(keras_tuner.HyperParameters):  # type: ignore[misc] # KerasTuner ships no types
    """Hyperparameters whose values come from a trial, or from the study where it fixes them.

    A trial that another worker began answers as it answered there, so a resumed trial rebuilds its model.
    """

    def __init__(
        self,
        trial: optuna.trial.BaseTrial | None,
        *,
        fixed: Mapping[str, Any] | None = None,
        grid: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        """Begin without values.

        Args:
            trial: Of which they are asked; None for the space's defaults.
            fixed: The study's.
            grid: The study's `search.grid`.
        """
        super().__init__()
        self._trial = trial
        self._fixed = dict(fixed or {})
        self._grid = dict(grid or {})

    def refuse_unknown_fixed(self) -> None:
        """Check that every fixed name was asked for.

        To be called once the model is built; for a space with its own `fit`, which may ask more, once it is trained.

        Raises:
            UnknownFixedError: It was not.
        """
        refuse_unknown(self._fixed, [parameter.name for parameter in self.space])

    def Choice(self, name: str, values: Sequence[Any], *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - KerasTuner's name
        """Ask for a choice; KerasTuner makes 0 and 1 of booleans, here they stay what they are."""
        value = super().Choice(name, values, *args, **kwargs)
        if value is not None and all(isinstance(choice, bool) for choice in values):
            value = self.values[self._get_name(name)] = bool(value)
        return value

    def _retrieve(self, hp: Any) -> Any:
        # All of KerasTuner's questions end here; it takes a default only for a name without a value.
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
        return question.decode(_suggest(self._trial, parameter, question))


@dataclass(frozen=True, kw_only=True)
class DeclaredParameter:
    """One hyperparameter that a study's sampler will be asked for."""

    #: In `hp.values`.
    name: str
    #: KerasTuner's own object, of `keras_tuner.engine.hyperparameters`: range, default, conditions.
    declared: Any
    optuna_name: str
    #: In `search.grid`, beside the name, for one branch of a conditional scope.
    grid_name: str
    #: All that Optuna can answer, in order; None for a continuum, and for integers on a log scale without steps.
    optuna_values: tuple[Any, ...] | None
    #: What Optuna would answer for the space's default.
    optuna_default: Any
    #: From one of KerasTuner's values to Optuna's answer; None for what is not among the parameter's values.
    optuna_answer: Callable[[Any], Any]
    #: Whether Optuna could give this answer.
    optuna_accepts: Callable[[Any], bool]
    #: Whether Optuna's answer is the value itself, not its place or mirror image.
    is_answered_as_it_is: bool


def declared_parameters(
    space: Space, images: ImageFormat, *, fixed: Mapping[str, Any] | None = None
) -> tuple[DeclaredParameter, ...]:
    """Return all that a search of this space asks its sampler for, found by building models with default values.

    What is fixed, and what the fixed values rule out, is not among them. For a grid:
    `{parameter.optuna_name: parameter.optuna_values for parameter in …}`. Logs a warning for a fixed value that lies
    outside of its range in a branch that the search may enter.

    Raises:
        FixedValueError: A fixed value is of another type, or a text that the builder does not offer.
        UnsearchableError: Optuna has nothing like one of the hyperparameters.
        UnknownFixedError: A fixed name is not asked for, and the space has no `fit` of its own that could ask for it.
    """
    fixed = fixed or {}
    declared = declare_hyperparameters(space, images)
    if space.fit is None:
        refuse_unknown(fixed, [parameter.name for parameter in declared])
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
            grid_name=_conditional_name(parameter),
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
    #: From Optuna's answer to KerasTuner's value.
    decode: Callable[[Any], Any]
    #: From KerasTuner's value to Optuna's answer, the nearest where it has none for it.
    encode: Callable[[Any], Any]

    @property
    def is_answered_as_it_is(self) -> bool:
        return self.decode in (_unchanged, bool)


def _find_answer(question: _Question, value: Any) -> Any:
    if isinstance(question.distribution, CategoricalDistribution):
        choices = question.distribution.choices
        # 0 and 1 are what KerasTuner makes of booleans; of other numbers true and false are none.
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
    try:
        question = _translate(parameter, _conditional_name(parameter))
    except (ValueError, ArithmeticError) as error:
        raise UnsearchableError(parameter.name, str(error)) from error
    return replace(question, name=_shorten(question.name))


def _conditional_name(parameter: Any) -> str:
    if not parameter.conditions:
        return str(parameter.name)
    conditions = (f"{condition.name}={'|'.join(map(str, condition.values))}" for condition in parameter.conditions)
    return f"{parameter.name} [{', '.join(conditions)}]"


def _translate(parameter: Any, name: str) -> _Question:
    if isinstance(parameter, kinds.Boolean):
        return _Question(name=name, distribution=CategoricalDistribution([False, True]), decode=bool, encode=bool)
    if isinstance(parameter, kinds.Choice):
        # A choice that is offered twice is drawn no more often than others.
        choices = tuple(dict.fromkeys(parameter.values))
        return _Question(name=name, distribution=CategoricalDistribution(choices), decode=_unchanged, encode=_unchanged)
    return _number_question(parameter, name)


def _shorten(name: str) -> str:
    """Return a name that Postgres keeps, another one for each name."""
    if len(name) <= _MAX_NAME:
        return name
    ending = f" … {hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return name[: _MAX_NAME - len(ending)] + ending


def _another_form(parameter: Any, question: _Question) -> _Question:
    """Return the question under a name that tells its kind and range."""
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
            # 0.1 + 0.9 - 0.9 is less than 0.1.
            encode=lambda value: {low: high, high: low}.get(value, low + high - value),
        )
    # The small term is KerasTuner's, against 2.9999 steps where 3 are meant.
    n_steps = int(math.log(high / low, parameter.step) + 1e-8)
    powers = [low * parameter.step**index for index in range(n_steps + 1)]
    values = [number(power if parameter.sampling == "log" else low + high - power) for power in powers]
    return _Question(
        name=f"{name} (index)",
        distribution=IntDistribution(0, n_steps),
        decode=values.__getitem__,
        # A default need not be one of the steps.
        encode=lambda value: min(range(n_steps + 1), key=lambda index: abs(values[index] - value)),
    )


def _among_given(parameter: Any, question: _Question, grid: Mapping[str, Sequence[Any]]) -> _Question:
    """Return the question as one for a category where the grid has values for it.

    Raises:
        GridValuesError: The grid has a value that the parameter does not have.
    """
    name = _conditional_name(parameter)
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
        # A step has exactly KerasTuner's value; a mirrored one and back again would be off by a rounding error.
        decode=number if parameter.step is None else lambda value: question.decode(answers[value]),
        encode=_unchanged,
    )


def _range(parameter: Any, *, step: float | None, log: bool) -> IntDistribution | FloatDistribution:
    low, high = parameter.min_value, parameter.max_value
    if step is not None:
        # Optuna warns of a last step that is cut short.
        high = _steps(low, high, step)[-1]
    if isinstance(parameter, kinds.Int):
        return IntDistribution(low, int(high), step=int(step or 1), log=log)
    return FloatDistribution(low, float(high), step=step, log=log)


def _unchanged(answer: Any) -> Any:
    return answer


def _steps(low: float, high: float, step: float) -> list[Decimal]:
    """Return low, low + step, … up to high, exactly: in binary, three steps of 0.1 are more than 0.3."""
    first, last, by = Decimal(str(low)), Decimal(str(high)), Decimal(str(step))
    return [first + by * index for index in range(int((last - first) / by) + 1)]


def _suggest(trial: optuna.trial.BaseTrial, parameter: Any, question: _Question) -> Any:
    another = _another_form(parameter, question)
    if another.name in trial.params:
        # As the worker before this one had to ask.
        return _ask(trial, another)
    try:
        return _ask(trial, question)
    except ValueError:
        # Optuna's study, or the values that this trial is to begin with, have it in another form.
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
    number = int if isinstance(asked, IntDistribution) else float
    return tuple(number(value) for value in _steps(asked.low, asked.high, asked.step))
