"""Trials spread evenly over the space: the n-th point of one scrambled Sobol sequence is trial n's.

Optuna's `QMCSampler` counts its points in the database without a lock, so that workers may draw one twice, and begins
a new count for every set of hyperparameters it meets: of six trials of a conditional space begun together two were
equal (Optuna 5.0).
"""

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tuner.studies.samplers.numbered import NumberedSampler
from tuner.studies.samplers.unit_cube import from_unit


class NumberedQmcSampler(NumberedSampler):
    """Each hyperparameter is one axis of the sequence, in the order in which the space asks for them.

    Args:
        seed: Determines the scrambling; the same for all trials of a study.
        number: The trial's among those of the study, from 0.
    """

    def __init__(self, *, seed: int, number: int) -> None:
        self._seed, self._number = seed, number

    def draw(self, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """Return the hyperparameter's value at the trial's point."""
        # This import takes half a second, for which every command would wait.
        from scipy.stats.qmc import Sobol

        del name
        # The first axes do not depend on the number of axes.
        axis = len(trial.distributions)
        sequence = Sobol(axis + 1, scramble=True, rng=self._seed)
        if self._number:
            sequence.fast_forward(self._number)
        return from_unit(distribution, float(sequence.random(1)[0, axis]))
