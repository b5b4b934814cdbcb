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
from pydantic import Field

from tuner.errors import TunerError
from tuner.studies.naming import did_you_mean
from tuner.studies.section import Section


class UnknownPrunerError(TunerError):
    """No pruner has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No pruner named {name!r}.{did_you_mean(name, PRUNERS)} Known pruners: {', '.join(PRUNERS)}.")


class PruningSettings(Section):
    """`[search.pruning]`: each pruner reads its own settings and leaves the others."""

    min_resource: int = Field(default=1, ge=1, description="asha, hyperband: epochs before the first decision")
    reduction_factor: int = Field(default=3, ge=2, description="asha, hyperband: one of this many trials goes on")
    startup_trials: int = Field(
        default=5, ge=0, description="median, percentile, patient: complete trials before any is pruned"
    )
    warmup_epochs: int = Field(
        default=0, ge=0, description="median, percentile, patient: epochs of each trial that are never its last"
    )
    percentile: float = Field(default=25.0, ge=0, le=100, description="percentile: the best part that goes on, in %")
    patience: int = Field(default=3, ge=0, description="patient: epochs without a better score before pruning")


def make_pruner(name: str, *, epochs: int, settings: PruningSettings) -> BasePruner:
    """Return the pruner of that name for trials of so many epochs.

    Raises:
        UnknownPrunerError: No pruner has that name.
    """
    if name not in PRUNERS:
        raise UnknownPrunerError(name)
    with warnings.catch_warnings():
        # Optuna marks the patient pruner (since 2.8) as experimental; its version is pinned here.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return PRUNERS[name](epochs, settings)


def _asha(epochs: int, settings: PruningSettings) -> BasePruner:  # noqa: ARG001 - all pruners are called alike
    """Halve successively and without waiting: only the best share goes on at epochs 1, 3, 9 …; the default."""
    # Optuna's "auto" is a guess from the first complete trial, made by each worker for itself.
    return SuccessiveHalvingPruner(min_resource=settings.min_resource, reduction_factor=settings.reduction_factor)


def _hyperband(epochs: int, settings: PruningSettings) -> BasePruner:
    """Divide trials among several ashas of different patience: for slow starters, with a larger budget."""
    return HyperbandPruner(
        min_resource=settings.min_resource, max_resource=epochs, reduction_factor=settings.reduction_factor
    )


def _median(epochs: int, settings: PruningSettings) -> BasePruner:  # noqa: ARG001 - all pruners are called alike
    """Stop a trial that is worse than the median of complete trials at the same epoch."""
    return MedianPruner(n_startup_trials=settings.startup_trials, n_warmup_steps=settings.warmup_epochs + 1)


def _percentile(epochs: int, settings: PruningSettings) -> BasePruner:  # noqa: ARG001 - all pruners are called alike
    """Stop a trial that is not among the best part of complete trials at the same epoch."""
    return PercentilePruner(
        settings.percentile, n_startup_trials=settings.startup_trials, n_warmup_steps=settings.warmup_epochs + 1
    )


def _patient(epochs: int, settings: PruningSettings) -> BasePruner:
    """Prune as median does, but only a trial that has not improved for some epochs."""
    return PatientPruner(_median(epochs, settings), patience=settings.patience)


def _none(epochs: int, settings: PruningSettings) -> BasePruner:  # noqa: ARG001 - all pruners are called alike
    """Train every trial to its last epoch."""
    return NopPruner()


#: Name → function; a function's first docstring line says what the pruner is for.
PRUNERS: Mapping[str, Callable[[int, PruningSettings], BasePruner]] = {
    "asha": _asha,
    "hyperband": _hyperband,
    "median": _median,
    "percentile": _percentile,
    "patient": _patient,
    "none": _none,
}
