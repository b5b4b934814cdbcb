"""One factor at a time: every trial's values are known when the study is created.

`tuner.jobs.hyperparameters.factors` finds them. They are in the trial's slot, and Optuna takes them without asking its
sampler.
"""

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tuner.studies.samplers.numbered import NumberedSampler


class NotGivenError(Exception):
    """The trial's values say nothing of a hyperparameter: it takes its default."""


class OneFactorSampler(NumberedSampler):
    """Draws nothing: what it is asked for was unknown when the study was created, as behind a plain `if`."""

    def draw(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """Raise `NotGivenError`; only the space knows the default."""
        del trial, distribution
        raise NotGivenError(name)
