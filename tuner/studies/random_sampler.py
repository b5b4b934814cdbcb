"""Independent draws of which each has its own seed.

Optuna's `RandomSampler` draws one number after the other: a trial whose worker died between two hyperparameters would
go on with the number that its first one has already had.
"""

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tuner.studies.numbered_sampler import NumberedSampler
from tuner.studies.unit_cube import from_unit


class NumberedRandomSampler(NumberedSampler):
    """Draws each hyperparameter uniformly on its scale.

    Args:
        seed: The trial's own; with the place of a hyperparameter in the trial it decides the value.
    """

    def __init__(self, *, seed: int) -> None:
        self._seed = seed

    def draw(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """Return the hyperparameter's value."""
        del name
        random = np.random.default_rng([self._seed, len(trial.distributions)])
        return from_unit(distribution, float(random.random()))
