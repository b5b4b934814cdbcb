"""The values that a trial draws from its study's priors before its sampler draws the others.

Only the space knows under which names and in which form Optuna is asked for a hyperparameter.
"""

from collections.abc import Sequence
from typing import Any

from keras_tuner.engine import hyperparameters as kinds

from tuner.errors import TunerError
from tuner.jobs.hyperparameters.hp import DeclaredParameter
from tuner.plain_values import Hyperparameters
from tuner.space_ranges import Prior
from tuner.spaces.ranges import RangeError, Ranges
from tuner.studies.priors import draw_choice, draw_number, write_value
from tuner.studies.sections.search import SearchSection
from tuner.studies.seeds import sampler_seed, warm_started_seed


class NothingToDrawError(TunerError):
    """A study has a prior for a hyperparameter that it does not draw."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"space.{name}.prior: {name} is not searched, as it is fixed, or is asked only with values that the study "
            "rules out. Remove the prior, or give the hyperparameter a range or values."
        )


def check_priors(declared: Sequence[DeclaredParameter], ranges: Ranges) -> None:
    """Check that each prior fits the hyperparameters that it is for.

    Args:
        declared: The hyperparameters that the study draws.
        ranges: The study's, with their priors.

    Raises:
        NothingToDrawError: The study draws no such hyperparameter.
        RangeError: The prior is of another kind, or outside of the range.
    """
    drawn = {name for parameter in declared for name in (parameter.name, parameter.grid_name)}
    for name, one in ranges.items():
        if one.prior is not None and name not in drawn:
            raise NothingToDrawError(name)
    for parameter in declared:
        prior = _find_prior(parameter, ranges)
        if prior is not None and (problem := _find_problem(parameter.declared, prior)):
            raise RangeError(parameter.declared, *problem)


def draw_priors(
    search: SearchSection, ranges: Ranges, declared: Sequence[DeclaredParameter], *, study_seed: int, number: int
) -> Hyperparameters:
    """Return what the priors give to one trial, under Optuna's names; nothing for hyperparameters without one.

    Args:
        search: The study's.
        ranges: The study's, with their priors.
        declared: The hyperparameters that the space asks for, in every branch.
        study_seed: The study's.
        number: The position of the trial's slot.
    """
    if search.warm_start is not None:
        study_seed = warm_started_seed(study_seed, search.warm_start)
    seed = sampler_seed(study_seed, number)
    drawn = {}
    for parameter in declared:
        prior = _find_prior(parameter, ranges)
        if prior is not None:
            value = _draw(parameter.declared, prior, seed=f"{seed} {parameter.grid_name}")
            drawn[parameter.optuna_name] = parameter.optuna_answer(value)
    return drawn


def _find_prior(parameter: DeclaredParameter, ranges: Ranges) -> Prior | None:
    wanted = ranges.get(parameter.grid_name, ranges.get(parameter.name))
    return None if wanted is None else wanted.prior


def _draw(parameter: Any, prior: Prior, *, seed: str) -> Any:
    if not isinstance(parameter, kinds.Int | kinds.Float):
        return draw_choice(prior, _values_of(parameter), seed=seed)
    low, high = parameter.min_value, parameter.max_value
    number = draw_number(prior, low=low, high=high, log=is_logarithmic(parameter), seed=seed)
    if parameter.step is not None and not (isinstance(parameter, kinds.Int) and parameter.step == 1):
        # KerasTuner lists the values of a range with steps.
        return min(parameter.values, key=lambda value: abs(value - number))
    return round(number) if isinstance(parameter, kinds.Int) else number


def is_logarithmic(parameter: Any) -> bool:
    """Say whether a spread around a value of this hyperparameter is a factor."""
    return getattr(parameter, "sampling", "linear") == "log"


def _values_of(parameter: Any) -> list[Any]:
    if isinstance(parameter, kinds.Boolean):
        return [False, True]
    return list(dict.fromkeys(parameter.values))


def _find_problem(parameter: Any, prior: Prior) -> tuple[str, str] | None:
    """Return the setting that does not fit and what is wrong with it; None where all fits."""
    is_range = isinstance(parameter, kinds.Int | kinds.Float)
    return _problem_of_range(parameter, prior) if is_range else _problem_of_choice(parameter, prior)


def _problem_of_range(parameter: Any, prior: Prior) -> tuple[str, str] | None:
    if prior.centre is None or prior.spread is None:
        return "prior", "received a favourite or weights, expected centre and spread, as it has a range"
    if not parameter.min_value <= prior.centre <= parameter.max_value:
        return "prior.centre", f"received {prior.centre:g}, expected a value of its range"
    if is_logarithmic(parameter) and prior.spread <= 1:
        return "prior.spread", f"received {prior.spread:g}, expected a factor above 1, as the range is logarithmic"
    return None


def _problem_of_choice(parameter: Any, prior: Prior) -> tuple[str, str] | None:
    values = _values_of(parameter)
    if prior.centre is not None:
        return "prior.centre", "received a centre, expected a favourite or weights, as it is a choice"
    if prior.favourite is not None and not _is_among(prior.favourite, values):
        return "prior.favourite", f"received {prior.favourite!r}, expected one of its values"
    unknown = sorted(set(prior.weights or ()) - {write_value(value) for value in values})
    return ("prior.weights", f"received {unknown[0]!r}, expected its values") if unknown else None


def _is_among(favourite: Any, values: Sequence[Any]) -> bool:
    # True equals 1, and is no number.
    return any(value == favourite and isinstance(value, bool) == isinstance(favourite, bool) for value in values)
