"""CMA-ES without a stored optimizer.

Optuna's `CmaEsSampler` keeps its optimizer between trials as a pickle in the database: anyone who can write there could
run code on every worker. Here the optimizer is computed again for each trial from the finished trials, which takes some
milliseconds, and nothing is stored.
"""

from typing import Any

import numpy as np
from cmaes import CMA  # type: ignore[import-untyped]  # the package ships no py.typed
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.studies.samplers.unit_cube import Numeric, from_unit, to_unit


class ReplayedCmaEsSampler(BaseSampler):
    """Draws one trial; choices, conditional hyperparameters and the start-up trials are drawn at random.

    Pruned trials count with the value they were closed with: under ASHA most trials are pruned, and a population of
    complete ones alone would hardly ever fill.
    """

    def __init__(self, *, seed: int, n_startup_trials: int) -> None:
        self._seed = seed
        self._n_startup_trials = n_startup_trials
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the numeric hyperparameters that all trials have had, by name."""
        del trial
        shared = IntersectionSearchSpace(include_pruned=True).calculate(study)
        return {name: found for name, found in shared.items() if isinstance(found, Numeric) and not found.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return values drawn from the distribution that the trials so far have led to."""
        del trial
        space = {name: found for name, found in search_space.items() if isinstance(found, Numeric)}
        solutions = _solutions(study, space)
        if not space or len(solutions) < self._n_startup_trials:
            return {}
        optimizer = CMA(
            mean=np.full(len(space), 0.5),
            # A sixth of the range, as in Optuna: three standard deviations reach the bounds from the middle.
            sigma=1 / 6,
            bounds=np.array([[0.0, 1.0]] * len(space)),
            seed=self._seed,
        )
        size = optimizer.population_size
        for first in range(0, len(solutions) - size + 1, size):
            optimizer.tell(solutions[first : first + size])
        point = optimizer.ask()
        return {name: from_unit(found, float(point[index])) for index, (name, found) in enumerate(space.items())}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a random value."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _solutions(study: Study, space: dict[str, Numeric]) -> list[tuple[NDArray[np.float64], float]]:
    """Return the point in the unit cube and the loss of each trial that is over, in the order they ended."""
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    scored = [(trial, trial.value) for trial in over if trial.value is not None and trial.datetime_complete is not None]
    scored.sort(key=lambda item: (item[0].datetime_complete, item[0].number))
    return [
        (np.array([to_unit(found, trial.params[name]) for name, found in space.items()]), sign * value)
        for trial, value in scored
    ]
