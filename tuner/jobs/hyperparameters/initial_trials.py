"""The trials that a search begins with before it draws any: defaults, baselines, the best of another study."""

import itertools
import logging
import math
from collections.abc import Sequence
from typing import Any

from tuner.errors import TunerError
from tuner.jobs.hyperparameters.hp import DeclaredParameter
from tuner.plain_values import Hyperparameters
from tuner.spaces.parameter_words import describe_branch, describe_conditions
from tuner.studies.sections.search import SearchSection

_log = logging.getLogger(__name__)

#: A baseline that leaves more combinations of values open than this must give the missing values.
_MAX_TRIED = 10_000


class BaselineError(TunerError):
    """A baseline has a hyperparameter or value that the space does not have."""


class NothingToStartFromError(TunerError):
    """The study to start from has no trial that this one can use."""


def first_trials(
    search: SearchSection,
    declared: Sequence[DeclaredParameter],
    *,
    fixed: Hyperparameters | None = None,
    earlier_trials: Sequence[Hyperparameters] = (),
) -> list[Hyperparameters]:
    """Return the values of the first trials under Optuna's names, in order and each once.

    Args:
        search: The study's section `[search]`.
        declared: The hyperparameters that the space asks for.
        fixed: The study's fixed values, which select branches as a baseline's own values do.
        earlier_trials: What `studies.warm_start.best_of_earlier` returns.

    Raises:
        BaselineError: A baseline does not fit the space.
        NothingToStartFromError: The study to start from has no complete trial, or searched another space.
    """
    trials: list[Hyperparameters] = []
    # A grid has its own first combination.
    if search.start_with_defaults and search.sampler != "grid":
        trials.append(default_answers(declared))
    trials += [_encode_baseline(baseline, declared, fixed or {}) for baseline in search.baselines]
    if search.warm_start is not None:
        trials += _usable(search.warm_start, earlier_trials, declared)
    return [values for index, values in enumerate(trials) if values not in trials[:index]]


def default_answers(declared: Sequence[DeclaredParameter]) -> Hyperparameters:
    """Return the space's defaults, except those that the search could not draw."""
    for parameter in declared:
        if not parameter.optuna_accepts(parameter.optuna_default):
            _log.warning(
                "The default %r of %s is outside of the range that the space searches, %s; the first trial draws a "
                "value instead.",
                parameter.declared.default,
                parameter.name,
                describe_branch(parameter.declared),
            )
    return {
        parameter.optuna_name: parameter.optuna_default
        for parameter in declared
        if parameter.optuna_accepts(parameter.optuna_default)
    }


def _encode_baseline(
    baseline: Hyperparameters, declared: Sequence[DeclaredParameter], fixed: Hyperparameters
) -> Hyperparameters:
    known = sorted({parameter.name for parameter in declared})
    answers: dict[str, Any] = {}
    for name, value in baseline.items():
        branches = [parameter for parameter in declared if parameter.name == name]
        if name in fixed:
            raise BaselineError(
                f"search.baselines has a value for {name!r}, which the study fixes to {fixed[name]!r}. Remove one."
            )
        if not branches:
            raise BaselineError(
                f"search.baselines has a value for {name!r}, which the space does not ask for. "
                f"It asks for: {', '.join(known)}."
            )
        for parameter in _branches_of(name, value, branches, declared, {**fixed, **baseline}):
            answers[parameter.optuna_name] = parameter.optuna_answer(value)
    return answers


def _branches_of(
    name: str,
    value: Any,
    branches: Sequence[DeclaredParameter],
    declared: Sequence[DeclaredParameter],
    given: Hyperparameters,
) -> list[DeclaredParameter]:
    """Return the branches in which a trial that begins with `given` may ask for the hyperparameter.

    Raises:
        BaselineError: There is no branch, a branch does not have the value, or missing values decide whether the
            hyperparameter is asked for.
    """
    received = f"search.baselines has {name} = {value!r}"
    possible = [parameter for parameter in branches if _may_enter(parameter, given)]
    if not possible:
        parents = {condition.name: given.get(condition.name) for condition in branches[0].declared.conditions}
        here = " and ".join(f"{parent} = {chosen!r}" for parent, chosen in parents.items() if parent in given)
        wanted = " or ".join(describe_conditions(parameter.declared.conditions) for parameter in branches)
        raise BaselineError(f"{received}, but with {here} the space does not ask for it: only when {wanted}.")
    refusing = [parameter for parameter in possible if parameter.optuna_answer(value) is None]
    open_parents = sorted(
        {
            condition.name
            for parameter in possible
            for condition in parameter.declared.conditions
            if condition.name not in given
        }
    )
    if refusing:
        advice = f" Give {' and '.join(open_parents)} too." if open_parents and len(refusing) < len(possible) else ""
        raise BaselineError(
            f"{received}, which is not one of its values: expected {describe_branch(refusing[0].declared)}.{advice}"
        )
    if open_parents and not _is_always_asked(possible, open_parents, declared, given):
        wanted = " or ".join(describe_conditions(parameter.declared.conditions) for parameter in possible)
        raise BaselineError(
            f"{received}, which the space asks for only when {wanted}. Give {' and '.join(open_parents)} too."
        )
    return possible


def _may_enter(parameter: DeclaredParameter, given: Hyperparameters) -> bool:
    return all(condition.is_active(given) for condition in parameter.declared.conditions if condition.name in given)


def _is_always_asked(
    branches: Sequence[DeclaredParameter],
    parents: Sequence[str],
    declared: Sequence[DeclaredParameter],
    given: Hyperparameters,
) -> bool:
    """Return whether every combination of the missing values leads into one of the branches."""
    choices = [_values_of(parent, declared) for parent in parents]
    if any(values is None for values in choices) or math.prod(len(values or ()) for values in choices) > _MAX_TRIED:
        return False
    return all(
        any(
            all(condition.is_active(combination) for condition in parameter.declared.conditions)
            for parameter in branches
        )
        for chosen in itertools.product(*(values or () for values in choices))
        for combination in [{**given, **dict(zip(parents, chosen, strict=True))}]
    )


def _values_of(name: str, declared: Sequence[DeclaredParameter]) -> tuple[Any, ...] | None:
    """Return all values of a hyperparameter; None if it is conditional or continuous."""
    for parameter in declared:
        if parameter.name == name and not parameter.declared.conditions and parameter.is_answered_as_it_is:
            return parameter.optuna_values
    return None


def _usable(
    name: str, earlier: Sequence[Hyperparameters], declared: Sequence[DeclaredParameter]
) -> list[Hyperparameters]:
    accepts = {parameter.optuna_name: parameter.optuna_accepts for parameter in declared}
    trials: list[Hyperparameters] = []
    for params in earlier:
        # The space may ask for a name behind a plain `if`, even if building models did not find it.
        values = {name: value for name, value in params.items() if name not in accepts or accepts[name](value)}
        if values.keys() & accepts.keys():
            trials.append(values)
    if not trials:
        raise NothingToStartFromError(
            f"Received search.warm_start = {name!r}: none of its best {len(earlier)} complete trials has a "
            "hyperparameter of this space. Expected a study of the same space with complete trials."
        )
    return trials
