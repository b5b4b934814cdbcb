"""Check the grid of a definition against the space before the first trial."""

from collections.abc import Sequence
from typing import Any

from tuner.jobs.hyperparameters.hp import DeclaredParameter
from tuner.spaces.parameter_words import describe_branch
from tuner.studies.samplers.grid import GridValuesError
from tuner.studies.sections.search import SearchSection


def check_grid(search: SearchSection, declared: Sequence[DeclaredParameter]) -> None:
    """Check that a grid search has values for every continuous hyperparameter, and none that a trial would refuse.

    Raises:
        GridValuesError: A name or value does not belong to the space, a value is given twice, or values are missing.
    """
    if search.sampler != "grid":
        return
    _refuse_unknown_names(search, declared)
    for name, values in search.grid.items():
        _refuse_twice(name, values)
        for parameter in declared:
            if name in (parameter.name, parameter.grid_name) and _may_be_entered(parameter, search):
                _refuse_wrong_values(name, values, parameter)
    missing = sorted(
        {
            parameter.name
            for parameter in declared
            if parameter.optuna_values is None and not {parameter.name, parameter.grid_name} & set(search.grid)
        }
    )
    if missing:
        raise GridValuesError(
            f"The sampler grid needs values for the continuous hyperparameters {', '.join(missing)}. "
            f"Give them, as in `--set search.grid.{missing[0]}=[…]`, or fix them: `--set fixed.{missing[0]}=…`."
        )


def _refuse_unknown_names(search: SearchSection, declared: Sequence[DeclaredParameter]) -> None:
    known = {name for parameter in declared for name in (parameter.name, parameter.grid_name)}
    unknown = sorted(set(search.grid) - known)
    if unknown:
        raise GridValuesError(
            f"search.grid has values for {', '.join(unknown)}, which the space does not ask for. "
            f"It asks for: {', '.join(sorted({parameter.name for parameter in declared}))}."
        )


def _refuse_twice(name: str, values: Sequence[Any]) -> None:
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise GridValuesError(f"search.grid.{name} has {twice[0]!r} twice. Remove one.")


def _may_be_entered(parameter: DeclaredParameter, search: SearchSection) -> bool:
    """Return whether the grid's own values of the parents lead to this branch."""
    return all(
        any(condition.is_active({condition.name: value}) for value in search.grid[condition.name])
        for condition in parameter.declared.conditions
        if condition.name in search.grid
    )


def _refuse_wrong_values(name: str, values: Sequence[Any], parameter: DeclaredParameter) -> None:
    expected = describe_branch(parameter.declared)
    wrong = [value for value in values if parameter.optuna_answer(value) is None]
    if wrong:
        raise GridValuesError(
            f"search.grid.{name}: received {wrong[0]!r}, expected {expected}, as the space says. To use another value, "
            f"fix it: `--set fixed.{name}=…`."
        )
