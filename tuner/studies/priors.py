"""Draws from where a person expects good values, and which trials take them.

| sampler | draws from priors |
|---|---|
| tpe, gp, cmaes, nsga2, nsga3 | in the trials that they draw before they use results, `search.startup_trials` |
| random | in every trial |
| others | never: their values follow a plan of their own |

A draw depends on the study's seed and the trial's number alone, not on the trials that have finished, and is stored
with the trial as a baseline's values are: so it is the same on every worker, whatever the others do. What a sampler
learns from these trials moves it on; a prior that is wrong costs the first trials, and no more.
"""

import math
import random
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from tuner.space_ranges import Prior, SpaceRange

if TYPE_CHECKING:
    from tuner.studies.sections.search import SearchSection

#: Samplers that draw their first trials at random.
_BEGIN_AT_RANDOM = frozenset({"tpe", "gp", "cmaes", "nsga2", "nsga3"})
_ALWAYS_RANDOM = "random"


def takes_priors(search: "SearchSection", number: int) -> bool:
    """Say whether the trial of this number, from 0, draws from priors."""
    if search.sampler == _ALWAYS_RANDOM:
        return True
    return search.sampler in _BEGIN_AT_RANDOM and number < search.startup_trials


def describe_unused(search: "SearchSection", ranges: Mapping[str, SpaceRange]) -> str | None:
    """Return a sentence where a study has priors and a sampler that does not draw from them; None elsewhere."""
    names = [name for name, one in ranges.items() if one.prior is not None]
    if not names or takes_priors(search, 0):
        return None
    reason = "search.startup_trials is 0" if search.sampler in _BEGIN_AT_RANDOM else f"the sampler is {search.sampler}"
    users = ", ".join([*sorted(_BEGIN_AT_RANDOM), _ALWAYS_RANDOM])
    return (
        f"The prior of {', '.join(names)} is not used, because {reason}: {users} draw their first trials from priors."
    )


def draw_number(prior: Prior, *, low: float, high: float, log: bool, seed: str) -> float:
    """Draw a number of a range from a normal distribution that is cut off at its ends.

    Args:
        prior: With centre and spread.
        low: The smallest number.
        high: The largest.
        log: Whether the range is logarithmic: the logarithm is normal then, and the spread is a factor.
        seed: Equal texts give equal draws.
    """
    if prior.centre is None or prior.spread is None:
        raise ValueError("Received a prior of a choice. Expected one with centre and spread.")
    scale, unscale = (math.log, math.exp) if log else (float, float)
    normal = NormalDist(scale(prior.centre), scale(prior.spread))
    first, last = normal.cdf(scale(low)), normal.cdf(scale(high))
    # Neither 0 nor 1, whose inverses are infinite; a spread far larger or smaller than the range may lead there.
    place = min(max(first + (last - first) * random.Random(seed).random(), 1e-300), 1 - 1e-16)  # noqa: S311 - no secret
    return min(max(unscale(normal.inv_cdf(place)), low), high)


def draw_choice(prior: Prior, values: Sequence[Any], *, seed: str) -> Any:
    """Draw one of the values; equal seeds give equal draws."""
    return random.Random(seed).choices(list(values), weigh_values(prior, values))[0]  # noqa: S311 - no secret


def weigh_values(prior: Prior, values: Sequence[Any]) -> list[float]:
    """Return how often each value of a choice is drawn, relative to the others."""
    if prior.weights is not None:
        return [prior.weights.get(write_value(value), 0.0) for value in values]
    others = (1 - prior.share_of_favourite) / max(len(values) - 1, 1)
    return [prior.share_of_favourite if value == prior.favourite else others for value in values]


def write_value(value: Any) -> str:
    """Return a value as a key of `weights` names it, as TOML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def describe_prior(prior: Prior, *, log: bool | None = None) -> str:
    """Return a prior in words: `0.001, within a factor of 3`.

    Args:
        prior: The prior.
        log: Whether its range is logarithmic; None where that is not known, as without a model.
    """
    if prior.centre is not None and prior.spread is not None:
        by = {
            True: f"within a factor of {prior.spread:g}",
            False: f"± {prior.spread:g}",
            None: f"spread {prior.spread:g}",
        }
        return f"{prior.centre:g}, {by[log]}" if log is not False else f"{prior.centre:g} {by[log]}"
    if prior.weights is not None:
        total = sum(prior.weights.values())
        return ", ".join(f"{value} {100 * weight / total:.0f} %" for value, weight in prior.weights.items())
    return f"{write_value(prior.favourite)} {100 * prior.share_of_favourite:.0f} %"
