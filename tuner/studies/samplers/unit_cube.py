"""Hyperparameters as positions in [0, 1], on a log scale where they have one; steps share it equally."""

import math
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

Numeric = FloatDistribution | IntDistribution


def to_unit(distribution: Numeric, value: float) -> float:
    """Return the position of a value within its range."""
    low, high = _edges(distribution)
    return ((math.log(value) if distribution.log else value) - low) / (high - low)


def from_unit(distribution: BaseDistribution, position: float) -> Any:
    """Return the value at a position in [0, 1], of choices as of numbers."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(int(position * len(distribution.choices)), len(distribution.choices) - 1)]
    if not isinstance(distribution, Numeric):
        raise TypeError(f"Received a {type(distribution).__name__}. Expected a float, int or categorical distribution.")
    low, high = _edges(distribution)
    value = low + position * (high - low)
    value = math.exp(value) if distribution.log else value
    if distribution.step is not None:
        value = distribution.low + round((value - distribution.low) / distribution.step) * distribution.step
    value = min(max(value, distribution.low), distribution.high)
    return round(value) if isinstance(distribution, IntDistribution) else value


def _edges(distribution: Numeric) -> tuple[float, float]:
    """Return the ends of the range; half a step further where values have steps, so that each gets the same room."""
    margin = (distribution.step or 0) / 2
    low, high = distribution.low - margin, distribution.high + margin
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
