"""How hyperparameters are drawn: one function a sampler, listed in `SAMPLERS`.

A sampler is made anew for each trial, so that a trial draws the same values from the same history on any worker.
Its seed comes from the study's seed and the trial's number; only a sequence that all trials share (`grid`, `qmc`)
takes the study's seed itself.

Optuna is imported when a sampler is made: the command line reads the table for its help, and must start fast.
"""

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.errors import TunerError, did_you_mean
from tuner.extras import install_command, is_installed

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from tuner.studies.sections.search import SearchSection


class UnknownSamplerError(TunerError):
    """No sampler has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"No sampler named {name!r}.{did_you_mean(name, SAMPLERS)} Known samplers: {', '.join(SAMPLERS)}."
        )


class SamplerNotInstalledError(TunerError):
    """The sampler needs a package that is not installed."""


#: Warning filters are those of all threads: two that change them at once would not put them back.
_FILTERING = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What a sampler may know besides the finished trials."""

    search: "SearchSection"
    study_seed: int
    #: The position of the trial's slot; its number, unless a person has added trials of their own in Optuna.
    number: int
    #: This trial's own.
    seed: int


def make_sampler(search: "SearchSection", *, study_seed: int, trial_number: int) -> "BaseSampler":
    """Return the sampler that a definition's search names, for one trial.

    Raises:
        UnknownSamplerError: No sampler has that name.
        SamplerNotInstalledError: It needs a package that is not installed.
    """
    from optuna.exceptions import ExperimentalWarning

    from tuner.studies.seeds import sampler_seed, warm_started_seed

    if search.sampler not in SAMPLERS:
        raise UnknownSamplerError(search.sampler)
    if search.warm_start is not None:
        study_seed = warm_started_seed(study_seed, search.warm_start)
    draw = Draw(search=search, study_seed=study_seed, number=trial_number, seed=sampler_seed(study_seed, trial_number))
    with _FILTERING, warnings.catch_warnings():
        # Optuna has marked TPE's `group` as experimental since 2.8.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return SAMPLERS[search.sampler](draw)


def _tpe(draw: Draw) -> "BaseSampler":
    """Learn which regions score well, all hyperparameters together; the default."""
    from optuna.samplers import TPESampler

    # `group` keeps conditional hyperparameters in the joint model; the constant liar keeps parallel workers apart.
    return TPESampler(
        seed=draw.seed, n_startup_trials=draw.search.startup_trials, multivariate=True, group=True, constant_liar=True
    )


def _random(draw: Draw) -> "BaseSampler":
    """Draw each trial independently: the baseline for all others."""
    from tuner.studies.samplers.numbered import NumberedRandomSampler

    return NumberedRandomSampler(seed=draw.seed)


def _gp(draw: Draw) -> "BaseSampler":
    """Fit a Gaussian process: for few trials and few, mostly continuous hyperparameters; needs PyTorch."""
    if not is_installed("torch"):
        raise SamplerNotInstalledError(
            "The sampler 'gp' needs PyTorch, which is not installed. "
            f"Install it with {install_command('torch')}, or choose the sampler 'tpe'."
        )
    from optuna.samplers import GPSampler, RandomSampler

    return GPSampler(
        seed=draw.seed,
        n_startup_trials=draw.search.startup_trials,
        independent_sampler=RandomSampler(seed=draw.seed),
        warn_independent_sampling=False,
    )


def _grid(draw: Draw) -> "BaseSampler":
    """Try every combination once; continuous hyperparameters take their values from search.grid."""
    from tuner.studies.samplers.grid import NumberedGridSampler

    return NumberedGridSampler(draw.search.grid, seed=draw.study_seed, number=draw.number)


def _qmc(draw: Draw) -> "BaseSampler":
    """Spread trials evenly with a scrambled Sobol sequence: random search without clusters."""
    from tuner.studies.samplers.qmc import NumberedQmcSampler

    return NumberedQmcSampler(seed=draw.study_seed, number=draw.number)


def _cmaes(draw: Draw) -> "BaseSampler":
    """Evolve a normal distribution: for many trials over continuous hyperparameters; choices are drawn at random."""
    from tuner.studies.samplers.cmaes import ReplayedCmaEsSampler

    return ReplayedCmaEsSampler(seed=draw.seed, n_startup_trials=draw.search.startup_trials)


def _nsga2(draw: Draw) -> "BaseSampler":
    """Cross the best of each generation of search.startup_trials trials: several objectives, many trials (NSGA-II)."""
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=draw.seed, population_size=_population_size(draw))


def _nsga3(draw: Draw) -> "BaseSampler":
    """Do the same with the front spread by reference points: for three objectives and more (NSGA-III)."""
    from optuna.samplers import NSGAIIISampler

    return NSGAIIISampler(seed=draw.seed, population_size=_population_size(draw))


def _population_size(draw: Draw) -> int:
    # The first generation is drawn at random; a child has two parents.
    return max(2, draw.search.startup_trials)


def _one_factor(draw: Draw) -> "BaseSampler":
    """Compare each value of search.vary with the default, all else at its default; the same seeds for every value."""
    from tuner.studies.samplers.one_factor import OneFactorSampler

    del draw
    return OneFactorSampler()


#: Name → function; the first line of a function's docstring is the sampler's help.
SAMPLERS: Mapping[str, "Callable[[Draw], BaseSampler]"] = {
    "tpe": _tpe,
    "random": _random,
    "gp": _gp,
    "grid": _grid,
    "qmc": _qmc,
    "cmaes": _cmaes,
    "nsga2": _nsga2,
    "nsga3": _nsga3,
    "one-factor": _one_factor,
}
