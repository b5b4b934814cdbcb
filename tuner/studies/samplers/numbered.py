"""Samplers that need no history: a value follows from the trial's number and the values drawn before it.

Any worker that draws the trial draws the same values, nothing is stored, and workers that draw at the same moment
cannot collide.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from tuner.studies.samplers.unit_cube import from_unit


class NumberedSampler(BaseSampler):
    """Draws one hyperparameter after the other."""

    @abstractmethod
    def draw(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """Return the hyperparameter's value; `trial.distributions` holds those drawn before it."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return nothing: no hyperparameters are drawn together."""
        del study, trial
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing, for the same reason."""
        del study, trial, search_space
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return what `draw` does."""
        del study
        return self.draw(trial, param_name, param_distribution)


class NumberedRandomSampler(NumberedSampler):
    """Draws each hyperparameter uniformly on its scale, from a seed of its own.

    Optuna's `RandomSampler` draws one number after the other: a trial whose worker died between two hyperparameters
    would go on with the number that its first hyperparameter has already taken.

    Args:
        seed: The trial's; together with the hyperparameter's place in the trial it determines the value.
    """

    def __init__(self, *, seed: int) -> None:
        self._seed = seed

    def draw(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """Return the hyperparameter's value."""
        del name
        random = np.random.default_rng([self._seed, len(trial.distributions)])
        return from_unit(distribution, float(random.random()))
