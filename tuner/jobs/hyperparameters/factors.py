"""One factor at a time: the configurations of a study that compares each value of `search.vary` with the default."""

from collections.abc import Sequence
from typing import Any

from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError, did_you_mean
from tuner.jobs.hyperparameters.hp import DeclaredParameter, OptunaHyperParameters
from tuner.jobs.hyperparameters.initial_trials import default_answers
from tuner.plain_values import Hyperparameters
from tuner.spaces.fixed_values import FixedValueError, accept_fixed
from tuner.spaces.parameter_words import describe_branch, describe_conditions
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.repeats import repeat_jobs
from tuner.studies.slots.outcomes import SearchJob


class FactorError(TunerError):
    """A study varies a hyperparameter that its space does not search, or a value that it does not have."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"search.vary.{name}: {problem}")


def plan_comparison(
    definition: StudyDefinition, space: Space, images: ImageFormat, declared: Sequence[DeclaredParameter]
) -> list[SearchJob]:
    """Return the trials of the study, repeat by repeat: the defaults, then each other value of each factor.

    The defaults are trained once a repeat, for all factors. A value is one that the trial with the defaults asks for,
    so that nothing else changes with it but what it brings with it, as an optimizer brings its learning rate.

    Args:
        definition: The study's, with the sampler one-factor.
        space: The definition's; its model with all defaults is built.
        images: The format of the study's images.
        declared: What `declared_parameters` returns.

    Raises:
        FactorError: A factor is not searched, has a value that it does not have, or nothing but its default.
    """
    defaults = OptunaHyperParameters(None, fixed=definition.fixed, ranges=definition.ranges)
    space.build(defaults, images)
    answers = default_answers(declared)
    configurations = [SearchJob(values=answers)]
    for name, values in definition.search.vary.items():
        parameter = _find_factor(name, declared, defaults, definition.fixed)
        for value, answer in _other_values(parameter, values):
            configurations.append(
                SearchJob(values={**answers, parameter.optuna_name: answer}, varied={parameter.name: value})
            )
    return repeat_jobs(configurations, range(definition.search.repeats), seed=definition.seed)


def _find_factor(
    name: str, declared: Sequence[DeclaredParameter], defaults: OptunaHyperParameters, fixed: Hyperparameters
) -> DeclaredParameter:
    """Return the branch of a hyperparameter that is asked for with all defaults."""
    known = tuple(dict.fromkeys(parameter.name for parameter in declared))
    if name in fixed:
        raise FactorError(
            name,
            f"the study fixes it to {fixed[name]!r}. Remove that; another default is "
            f"`--set space.{name}.default={fixed[name]}`.",
        )
    branches = [parameter for parameter in declared if parameter.name == name]
    if not branches:
        raise FactorError(
            name,
            f"the space does not search it.{did_you_mean(name, known)} It searches: {', '.join(known) or 'nothing'}.",
        )
    for parameter in branches:
        if defaults.is_active(parameter.declared):
            return parameter
    conditions = " or ".join(describe_conditions(parameter.declared.conditions) for parameter in branches)
    parents = {condition.name for parameter in branches for condition in parameter.declared.conditions}
    now = " and ".join(f"{parent} is {defaults.values.get(parent)!r}" for parent in sorted(parents))
    raise FactorError(
        name,
        f"the space asks for it only when {conditions}, but by default {now}. Fix it, or change its default: "
        f"`--set space.{min(parents)}.default=…`.",
    )


def _other_values(parameter: DeclaredParameter, values: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return the values that are not the default, each as KerasTuner has it and as Optuna does."""
    default = parameter.declared.default
    given: list[Any] = []
    for value in values:
        typed = _typed(parameter, value)
        if typed is None or (typed != default and parameter.optuna_answer(typed) is None):
            widen = "" if isinstance(default, str | bool) else f" A table [space.{parameter.name}] sets other values."
            raise FactorError(
                parameter.name, f"received {value!r}, expected {describe_branch(parameter.declared)}.{widen}"
            )
        if typed in given:
            raise FactorError(parameter.name, f"has {value!r} twice. Remove one.")
        given.append(typed)
    others = [(value, parameter.optuna_answer(value)) for value in given if value != default]
    if not others:
        raise FactorError(parameter.name, f"has nothing but its default, {default!r}. Give values to compare with it.")
    return others


def _typed(parameter: DeclaredParameter, value: Any) -> Any:
    """Return a value with the hyperparameter's type; None for one of another."""
    try:
        return accept_fixed(parameter.declared, value)
    except FixedValueError:
        return None
