"""How much of the differences in score each hyperparameter explains.

A random forest predicts the score of trials it has not seen; a hyperparameter's importance is how much worse it
predicts when that hyperparameter's values are shuffled among those trials. Chosen over fANOVA because it needs no
distributions and handles hyperparameters that only some trials have. Pruned trials count with their best score: without
them, exactly the hyperparameters that led to pruning would be hidden.
Source: L. Breiman, Random forests, Machine Learning 45 (2001), section 10.
"""

import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.report.thinning import MOST_DRAWN, evenly
from tuner.studies.records.trial import TrialRecord

#: With fewer trials the forest fits noise.
MIN_TRIALS = 20
_FOLDS, _TREES, _SHUFFLES = 3, 60, 4
_NOT_ASKED = -1.0


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The importances of a study's hyperparameters."""

    #: Share of the score's variance explained on trials not seen, at most 1; below 0 is worse than guessing the mean.
    r_squared: float
    #: Name → share of all importance, in [0, 1], the largest first; empty when nothing is explained.
    shares: dict[str, float]
    n_trials: int


def measure_importance(trials: Sequence[TrialRecord]) -> Importance | None:
    """Measure importances; None when there are too few trials, or no hyperparameter or score differs.

    Of a large study, 2,000 evenly spaced trials are used: more do not change the result noticeably.

    Args:
        trials: Trials with a score.
    """
    measure_errors, trials = _measured_apart if is_large(trials) else _held_out_errors, evenly(trials)
    columns = varied_hyperparameters(trials)
    scores = np.array([trial.score for trial in trials], dtype=np.float64)
    if len(trials) < MIN_TRIALS or not columns or np.ptp(scores) == 0:
        return None
    features = np.stack(
        [encode_column([trial.hyperparameters.get(name) for trial in trials]) for name in columns], axis=1
    )
    # Ranks, because a few trials that never learned would otherwise make up most of the variance.
    ranks = scores.argsort().argsort() / len(scores)
    error, shuffled = measure_errors(features, ranks)
    gains = np.maximum(shuffled - error, 0)
    order = np.argsort(-gains)
    total = gains.sum()
    return Importance(
        r_squared=float(1 - error / ranks.var()),
        shares={columns[index]: float(gains[index] / total) for index in order} if total > 0 else {},
        n_trials=len(trials),
    )


def is_large(trials: Sequence[TrialRecord]) -> bool:
    """Say whether these are so many that they are measured in a process of their own."""
    return len(trials) > MOST_DRAWN


def varied_hyperparameters(trials: Sequence[TrialRecord]) -> list[str]:
    """Return the hyperparameters that had more than one value, in order of appearance; inactive counts as one."""
    names = dict.fromkeys(name for trial in trials for name in trial.hyperparameters)
    return [name for name in names if len({repr(trial.hyperparameters.get(name)) for trial in trials}) > 1]


def is_numeric(values: Sequence[object]) -> bool:
    """Say whether all values are numbers; booleans are not."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def encode_column(values: Sequence[object]) -> NDArray[np.float64]:
    """Turn one hyperparameter into numbers a tree can split: numbers by rank, the rest by name, absent ones lowest."""
    present = [value for value in values if value is not None]
    key: Callable[[Any], Any] = float if is_numeric(present) else str
    codes = {value: float(code) for code, value in enumerate(sorted({key(value) for value in present}))}
    return np.array([_NOT_ASKED if value is None else codes[key(value)] for value in values])


def _measured_apart(features: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """As `_held_out_errors`, in a process that then ends: scikit-learn's 90 MB would add to a large page's.

    `multiprocessing` would run the user's own script again in that process.
    """
    given = io.BytesIO()
    np.savez(given, features=features, target=target)
    done = subprocess.run(
        [sys.executable, "-m", "tuner.report.forest_importance"],
        input=given.getvalue(),
        stdout=subprocess.PIPE,
        check=True,
    )
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as measured:
        return float(measured["error"]), measured["shuffled"]


def main() -> None:
    """Measure the errors for the arrays on standard input and write them to standard output, both as `.npz`."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as given:
        error, shuffled = _held_out_errors(given["features"], given["target"])
    measured = io.BytesIO()
    np.savez(measured, error=error, shuffled=shuffled)
    sys.stdout.buffer.write(measured.getvalue())


def _held_out_errors(features: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the squared error on held-out trials, as they are and with each column shuffled."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.model_selection import KFold

    random = np.random.default_rng(0)
    n_columns = features.shape[1]
    plain = 0.0
    shuffled = np.zeros(n_columns)
    for train, held_out in KFold(_FOLDS, shuffle=True, random_state=0).split(features):
        forest = ExtraTreesRegressor(_TREES, min_samples_leaf=2, random_state=0).fit(features[train], target[train])
        copies = np.tile(features[held_out], (n_columns * _SHUFFLES + 1, 1, 1))
        for copy, column in enumerate(np.repeat(np.arange(n_columns), _SHUFFLES), start=1):
            copies[copy, :, column] = random.permutation(copies[copy, :, column])
        errors = (forest.predict(copies.reshape(-1, n_columns)).reshape(len(copies), -1) - target[held_out]) ** 2
        plain += errors[0].sum()
        shuffled += errors[1:].reshape(n_columns, _SHUFFLES, -1).mean(axis=1).sum(axis=1)
    return plain / len(target), shuffled / len(target)


if __name__ == "__main__":
    main()
