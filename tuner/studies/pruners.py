"""When a trial is stopped before its last epoch: one function a pruner, listed in `PRUNERS`.

A pruner sees the validation accuracy after each epoch; epochs count from 1.
"""

import warnings
from collections.abc import Callable, Mapping

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)

from tuner.errors import TunerError
from tuner.studies.naming import did_you_mean
from tuner.studies.sections import SearchSection


class UnknownPrunerError(TunerError):
    """No pruner has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No pruner named {name!r}.{did_you_mean(name, PRUNERS)} Known pruners: {', '.join(PRUNERS)}.")


def make_pruner(search: SearchSection) -> BasePruner:
    """Return the pruner that a definition's search names.

    Raises:
        UnknownPrunerError: No pruner has that name.
    """
    if search.pruner not in PRUNERS:
        raise UnknownPrunerError(search.pruner)
    with warnings.catch_warnings():
        # Optuna has marked the patient pruner as experimental since 2.8.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return PRUNERS[search.pruner](search)


def _asha(search: SearchSection) -> BasePruner:
    """Halve successively and without waiting: only the best share goes on at epochs 1, 3, 9 …; the default."""
    # Optuna's "auto" is a guess from the first complete trial, made by each worker for itself.
    return SuccessiveHalvingPruner(
        min_resource=search.pruning.min_resource, reduction_factor=search.pruning.reduction_factor
    )


def _hyperband(search: SearchSection) -> BasePruner:
    """Divide trials among several ashas of different patience: for slow starters, with a larger budget."""
    return HyperbandPruner(
        min_resource=search.pruning.min_resource,
        max_resource=search.epochs,
        reduction_factor=search.pruning.reduction_factor,
    )


def _median(search: SearchSection) -> BasePruner:
    """Stop a trial that is worse than the median of complete trials at the same epoch."""
    return MedianPruner(n_startup_trials=search.pruning.startup_trials, n_warmup_steps=search.pruning.warmup_epochs + 1)


def _percentile(search: SearchSection) -> BasePruner:
    """Stop a trial that is not among the best part of complete trials at the same epoch."""
    return PercentilePruner(
        search.pruning.percentile,
        n_startup_trials=search.pruning.startup_trials,
        n_warmup_steps=search.pruning.warmup_epochs + 1,
    )


def _patient(search: SearchSection) -> BasePruner:
    """Prune as median does, but only a trial that has not improved for some epochs."""
    return PatientPruner(_median(search), patience=search.pruning.patience)


def _none(search: SearchSection) -> BasePruner:  # noqa: ARG001 - all pruners are called alike
    """Train every trial to its last epoch."""
    return NopPruner()


#: Name → function; a function's first docstring line says what the pruner is for.
PRUNERS: Mapping[str, Callable[[SearchSection], BasePruner]] = {
    "asha": _asha,
    "hyperband": _hyperband,
    "median": _median,
    "percentile": _percentile,
    "patient": _patient,
    "none": _none,
}
