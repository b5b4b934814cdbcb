"""When a trial is stopped before its last epoch: one function a pruner, listed in `PRUNERS`.

The rules are Optuna's, which tests hold them against. Optuna's own objects ask the storage six to eight times for each
decision; these are given the scores, so that one statement does, see `tuner.studies.scores`.
"""

import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from tuner.errors import TunerError, did_you_mean
from tuner.studies.sections import SearchSection


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another trial of the study, as it was after the epoch that is decided on."""

    number: int
    score: float
    #: Whether it has finished its last epoch.
    is_complete: bool


class Pruner(Protocol):
    """Decides whether one trial goes on. Epochs count from 1; a score is a validation accuracy, in [0, 1]."""

    def decides_after(self, epoch: int) -> bool:
        """Say whether a trial may end after this epoch; other epochs need no peers."""

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        """Say whether the trial with these scores, one an epoch, should end now."""


class UnknownPrunerError(TunerError):
    """No pruner has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No pruner named {name!r}.{did_you_mean(name, PRUNERS)} Known pruners: {', '.join(PRUNERS)}.")


def make_pruner(search: SearchSection, *, study_name: str, trial_number: int) -> Pruner:
    """Return the pruner that a definition's search names, for one trial.

    Raises:
        UnknownPrunerError: No pruner has that name.
    """
    refuse_unknown_pruner(search.pruner)
    return PRUNERS[search.pruner](search, study_name, trial_number)


def refuse_unknown_pruner(name: str) -> None:
    """Raise `UnknownPrunerError` unless there is a pruner of that name."""
    if name not in PRUNERS:
        raise UnknownPrunerError(name)


@dataclass(frozen=True, kw_only=True)
class SuccessiveHalving:
    """Only the best 1/`reduction_factor` of all trials that reached a rung go on (Li et al., arXiv:1810.05934).

    Rungs are at `first_rung`, `first_rung` · `reduction_factor`, … epochs. Of fewer trials than `reduction_factor` the
    best goes on, as in Optuna.
    """

    first_rung: int
    reduction_factor: int

    def decides_after(self, epoch: int) -> bool:
        rung = self.first_rung
        while rung < epoch:
            rung *= self.reduction_factor
        return rung == epoch

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        n_better = sum(peer.score > scores[-1] for peer in peers)
        return n_better >= max(1, (len(peers) + 1) // self.reduction_factor)


@dataclass(frozen=True, kw_only=True)
class Hyperband:
    """Divides trials by their number among several `SuccessiveHalving`s (Li et al., JMLR 18-185, 2018)."""

    study_name: str
    trial_number: int
    #: The rule of the first bracket; in each later one the first rung comes `reduction_factor` times as late.
    halving: SuccessiveHalving
    #: Of every sum(parts) trials, how many each bracket gets.
    parts: Sequence[int]

    def decides_after(self, epoch: int) -> bool:
        return self._own_bracket.decides_after(epoch)

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        own = self._bracket_of(self.trial_number)
        return self._own_bracket.prunes(scores, [peer for peer in peers if self._bracket_of(peer.number) == own])

    @property
    def _own_bracket(self) -> SuccessiveHalving:
        bracket = self._bracket_of(self.trial_number)
        return replace(self.halving, first_rung=self.halving.first_rung * self.halving.reduction_factor**bracket)

    def _bracket_of(self, number: int) -> int:
        """Return a trial's bracket from a hash of study and number, as Optuna does: no worker needs to know another."""
        place = binascii.crc32(f"{self.study_name}_{number}".encode()) % sum(self.parts)
        return int(np.searchsorted(np.cumsum(self.parts), place, side="right"))


@dataclass(frozen=True, kw_only=True)
class Percentile:
    """Stops a trial whose best score so far is below the best `percentile` % of complete trials at the same epoch."""

    percentile: float
    #: Complete trials before any is stopped.
    startup_trials: int
    #: Epochs of each trial that are never its last.
    warmup_epochs: int

    def decides_after(self, epoch: int) -> bool:
        return epoch > self.warmup_epochs

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        complete = [peer.score for peer in peers if peer.is_complete]
        if len(complete) < max(1, self.startup_trials):
            return False
        return max(scores) < float(np.percentile(complete, 100 - self.percentile))


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Lets another pruner decide only on a trial that has not improved for more than `patience` epochs."""

    pruner: Pruner
    patience: int

    def decides_after(self, epoch: int) -> bool:
        return epoch > self.patience + 1 and self.pruner.decides_after(epoch)

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        before, after = scores[: -self.patience - 1], scores[-self.patience - 1 :]
        return bool(before) and max(before) > max(after) and self.pruner.prunes(scores, peers)


class Never:
    """Stops no trial."""

    def decides_after(self, epoch: int) -> bool:  # noqa: ARG002 - all pruners are asked alike
        return False

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:  # noqa: ARG002 - as above
        return False


def _asha(search: SearchSection, _study_name: str, _trial_number: int) -> Pruner:
    """Halve successively and without waiting: only the best share goes on at epochs 1, 3, 9 …; the default."""
    return SuccessiveHalving(first_rung=search.pruning.min_resource, reduction_factor=search.pruning.reduction_factor)


def _hyperband(search: SearchSection, study_name: str, trial_number: int) -> Pruner:
    """Divide trials among several ashas of different patience: for slow starters, with a larger budget."""
    factor = search.pruning.reduction_factor
    n_brackets = math.floor(math.log(search.epochs / search.pruning.min_resource, factor)) + 1
    return Hyperband(
        study_name=study_name,
        trial_number=trial_number,
        halving=SuccessiveHalving(first_rung=search.pruning.min_resource, reduction_factor=factor),
        parts=[math.ceil(n_brackets * factor**left / (left + 1)) for left in reversed(range(n_brackets))],
    )


def _median(search: SearchSection, _study_name: str, _trial_number: int) -> Pruner:
    """Stop a trial that is worse than the median of complete trials at the same epoch."""
    return _percentile_of(search, 50.0)


def _percentile(search: SearchSection, _study_name: str, _trial_number: int) -> Pruner:
    """Stop a trial that is not among the best part of complete trials at the same epoch."""
    return _percentile_of(search, search.pruning.percentile)


def _patient(search: SearchSection, _study_name: str, _trial_number: int) -> Pruner:
    """Prune as median does, but only a trial that has not improved for some epochs."""
    return Patient(pruner=_percentile_of(search, 50.0), patience=search.pruning.patience)


def _none(_search: SearchSection, _study_name: str, _trial_number: int) -> Pruner:
    """Train every trial to its last epoch."""
    return Never()


def _percentile_of(search: SearchSection, percentile: float) -> Percentile:
    return Percentile(
        percentile=percentile,
        startup_trials=search.pruning.startup_trials,
        warmup_epochs=search.pruning.warmup_epochs,
    )


#: Name → function of the search, the study's name and the trial's number; its first docstring line says what for.
PRUNERS: Mapping[str, Callable[[SearchSection, str, int], Pruner]] = {
    "asha": _asha,
    "hyperband": _hyperband,
    "median": _median,
    "percentile": _percentile,
    "patient": _patient,
    "none": _none,
}
