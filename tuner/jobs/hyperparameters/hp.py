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

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner
import optuna
from keras_tuner.engine import hyperparameters as kinds

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.optuna_parameters import suggest, to_optuna
from tuner.plain_values import Hyperparameters
from tuner.spaces.declared import declare_hyperparameters
from tuner.spaces.fixed_values import accept_fixed, may_be_asked, refuse_unknown, why_outside
from tuner.spaces.parameter_words import conditional_name
from tuner.spaces.ranges import Ranges, refuse_unknown_ranges, with_range
from tuner.spaces.space import Space
from tuner.studies.samplers.one_factor import NotGivenError

_log = logging.getLogger(__name__)


class OptunaHyperParameters(keras_tuner.HyperParameters):  # type: ignore[misc] # KerasTuner ships no types
    """Hyperparameters whose values come from a trial, or from the study if it fixes them.

    A trial that another worker began gives the same answers again, so a resumed trial rebuilds the same model.
    """

    def __init__(
        self,
        trial: optuna.trial.BaseTrial | None,
        *,
        fixed: Hyperparameters | None = None,
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
        asked = to_optuna(parameter, self._grid)
        try:
            return asked.decode(suggest(self._trial, parameter, asked))
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
    #: All values that Optuna can return, in order; None for a continuum and for integers on a log scale without steps.
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
    space: Space, images: ImageFormat, *, fixed: Hyperparameters | None = None, ranges: Ranges | None = None
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
    drawn = [
        parameter for parameter in reachable if parameter.name not in fixed and not isinstance(parameter, kinds.Fixed)
    ]
    return tuple(
        DeclaredParameter(
            name=parameter.name,
            declared=parameter,
            optuna_name=asked.name,
            grid_name=conditional_name(parameter),
            optuna_values=asked.finite_answers,
            optuna_default=asked.encode(parameter.default),
            optuna_answer=asked.find_answer,
            optuna_accepts=asked.accepts,
            is_answered_as_it_is=asked.is_answered_as_it_is,
        )
        for parameter, asked in ((parameter, to_optuna(parameter)) for parameter in drawn)
    )
