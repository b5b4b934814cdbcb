"""What samplers share that need no history: a value follows from the trial's number and the values before it.

Whoever draws the trial draws the same, nothing is stored, and workers that draw at the same moment cannot collide.
"""

from abc import abstractmethod
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial


class NumberedSampler(BaseSampler):
    """Draws one hyperparameter after the other."""

    @abstractmethod
    def draw(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """Return the hyperparameter's value; `trial.distributions` has those drawn before it."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return nothing: no hyperparameters are drawn together."""
        del study, trial
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing, as above."""
        del study, trial, search_space
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return what `draw` does."""
        del study
        return self.draw(trial, param_name, param_distribution)
