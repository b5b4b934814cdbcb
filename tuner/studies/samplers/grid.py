"""Every combination of finitely many values, each by the trial's number alone.

Optuna's `GridSampler` asks for all values before the first trial, which a space that is a function cannot give. It
stops the study from within, which is a `RuntimeError` when trials are opened one by one. And its documentation says
that parallel workers repeat combinations. Here trial `n` is the n-th combination, whichever worker draws it.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from tuner.errors import TunerError
from tuner.studies.samplers.numbered import NumberedSampler


class GridValuesError(TunerError):
    """A hyperparameter's values for the grid are missing or outside of its range."""


class NumberedGridSampler(NumberedSampler):
    """Trial n draws the n-th combination; after the last one the first comes again, with another training seed.

    Args:
        grid: Values to try, by hyperparameter: required for continuous ones, a selection for others.
        seed: Determines the order; the same for all trials of a study.
        number: The trial's among those of the study, from 0.
    """

    def __init__(self, grid: Mapping[str, Sequence[Any]], *, seed: int, number: int) -> None:
        self._grid = grid
        self._seed, self._number = seed, number

    def draw(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """Return the hyperparameter's value in the trial's combination.

        Raises:
            GridValuesError: It is continuous and has no values in the grid, or they are outside of its range.
        """
        values = self._values(name, distribution)
        combinations = 1
        for earlier, its_distribution in trial.distributions.items():
            combinations *= len(self._values(earlier, its_distribution))
        turn, place = divmod(self._number, combinations)
        # Adding the place among the earlier hyperparameters' combinations still meets each combination once, and lets
        # all values vary from the first trials on, so that a budget smaller than the grid sees something of each.
        return values[(turn + place) % len(values)]

    def _values(self, name: str, distribution: BaseDistribution) -> list[Any]:
        key = _grid_key(name, self._grid)
        values = self._given(key, distribution) if key in self._grid else list(_all_values(key, distribution))
        order = np.random.default_rng([self._seed, *name.encode()]).permutation(len(values))
        return [values[index] for index in order]

    def _given(self, name: str, distribution: BaseDistribution) -> list[Any]:
        values = [float(value) if _is_float(distribution, value) else value for value in self._grid[name]]
        wrong = [value for value in values if not _is_within(distribution, value)]
        if wrong:
            raise GridValuesError(
                f"search.grid.{name}: received {wrong[0]!r}, expected {_range_of(distribution)}, as the space says."
            )
        return values


def _grid_key(name: str, grid: Mapping[str, Sequence[Any]]) -> str:
    """Return what people call the hyperparameter: a conditional one's name in Optuna ends in ` [its conditions]`."""
    return name if name in grid else name.partition(" [")[0]


def _all_values(name: str, distribution: BaseDistribution) -> Iterable[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    # Integers on a log scale without steps are as good as continuous: 10 to 1,024 are not meant one by one.
    if isinstance(distribution, IntDistribution) and not distribution.log:
        return range(distribution.low, distribution.high + 1, distribution.step)
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        # In binary, three steps of 0.1 are more than 0.3.
        low, high, step = (Decimal(str(end)) for end in (distribution.low, distribution.high, distribution.step))
        return [float(low + index * step) for index in range(int((high - low) / step) + 1)]
    raise GridValuesError(
        f"The sampler 'grid' cannot list all values of the continuous hyperparameter {name!r} "
        f"({_range_of(distribution)}). Give those to try: `search.grid.{name} = [..]` in the definition, "
        f"or `--set 'search.grid.{name}=[..]'`."
    )


def _is_float(distribution: BaseDistribution, value: Any) -> bool:
    return isinstance(distribution, FloatDistribution) and isinstance(value, int) and not isinstance(value, bool)


def _is_within(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    if isinstance(distribution, IntDistribution):
        fits = isinstance(value, int) and distribution.low <= value <= distribution.high
        return fits and (value - distribution.low) % distribution.step == 0
    if isinstance(distribution, FloatDistribution):
        return isinstance(value, float) and distribution.low <= value <= distribution.high
    return False


def _range_of(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return f"one of {', '.join(map(repr, distribution.choices))}"
    if isinstance(distribution, IntDistribution):
        step = f" in steps of {distribution.step}" if distribution.step > 1 else ""
        return f"an integer from {distribution.low} to {distribution.high}{step}"
    if isinstance(distribution, FloatDistribution):
        return f"a number from {distribution.low:g} to {distribution.high:g}"
    return str(distribution)
