"""When a trial is stopped before its last epoch: one function a pruner, listed in `PRUNERS`.

In a study with folds a fold takes the place of an epoch: a trial's score after k folds is its mean over them, and is
compared with the means of other trials over the same k folds.

The rules are Optuna's; tests compare them. Optuna's own objects query the storage six to eight times for each decision;
these are given the scores, which one statement reads, see `tuner.studies.slots.scores`.

The command line reads the table for its help and must start fast: nothing slow is imported here.
"""

import binascii
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from tuner.errors import TunerError, did_you_mean
from tuner.objectives import Objective

if TYPE_CHECKING:
    from tuner.studies.sections.search import SearchSection


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another trial of the study, after the epoch at which the decision is made."""

    number: int
    score: float
    #: Whether it has finished its last epoch.
    is_complete: bool


class Pruner(Protocol):
    """Decides whether one trial goes on. Epochs count from 1; the rules take more of a score for better."""

    def decides_after(self, epoch: int) -> bool:
        """Return whether a trial may end after this epoch; at other epochs no peers are read."""

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        """Return whether the trial with these scores, one for each epoch, should end now."""


class UnknownPrunerError(TunerError):
    """No pruner has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No pruner named {name!r}.{did_you_mean(name, PRUNERS)} Known pruners: {', '.join(PRUNERS)}.")


@dataclass(frozen=True, kw_only=True)
class DecidedTrial:
    """The trial that a pruner decides about."""

    study_name: str
    trial_number: int
    #: Epochs, or folds, of a trial that is not pruned.
    n_steps: int


def make_pruner(search: "SearchSection", objective: Objective, trial: DecidedTrial) -> Pruner:
    """Return the pruner that a definition's search names, for one trial and for scores of this objective.

    Raises:
        UnknownPrunerError: No pruner has that name.
    """
    refuse_unknown_pruner(search.pruner)
    rule = PRUNERS[search.pruner](search, trial)
    return rule if objective.direction == "maximize" else Minimizing(rule=rule)


def refuse_unknown_pruner(name: str) -> None:
    """Raise `UnknownPrunerError` unless there is a pruner of that name."""
    if name not in PRUNERS:
        raise UnknownPrunerError(name)


@dataclass(frozen=True, kw_only=True)
class SuccessiveHalving:
    """Only the best 1/`reduction_factor` of all trials that reached a rung go on (Li et al., arXiv:1810.05934).

    Rungs are at `first_rung`, `first_rung` · `reduction_factor`, … epochs. With fewer trials than
    `reduction_factor` the best one goes on, as in Optuna.
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
    """Divides trials among several `SuccessiveHalving`s by their number (Li et al., JMLR 18-185, 2018)."""

    study_name: str
    trial_number: int
    #: The rule of the first bracket; in each later one the first rung comes `reduction_factor` times as late.
    halving: SuccessiveHalving
    #: How many of every sum(parts) trials each bracket gets.
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
        """Return a trial's bracket from a hash of study and number, as Optuna does: workers need not agree on it."""
        place = binascii.crc32(f"{self.study_name}_{number}".encode()) % sum(self.parts)
        return bisect_right(list(accumulate(self.parts)), place)


@dataclass(frozen=True, kw_only=True)
class Percentile:
    """Stops a trial whose best score so far is below the best `percentile` % of complete trials at the same epoch."""

    percentile: float
    #: Number of complete trials before any trial is stopped.
    startup_trials: int
    #: Epochs at the start of a trial after which it is never stopped.
    warmup_epochs: int

    def decides_after(self, epoch: int) -> bool:
        return epoch > self.warmup_epochs

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        import numpy as np

        complete = [peer.score for peer in peers if peer.is_complete]
        if len(complete) < max(1, self.startup_trials):
            return False
        return max(scores) < float(np.percentile(complete, 100 - self.percentile))


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Asks another pruner only about a trial that has not improved for more than `patience` epochs."""

    pruner: Pruner
    patience: int

    def decides_after(self, epoch: int) -> bool:
        return epoch > self.patience + 1 and self.pruner.decides_after(epoch)

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        before, after = scores[: -self.patience - 1], scores[-self.patience - 1 :]
        return bool(before) and max(before) > max(after) and self.pruner.prunes(scores, peers)


@dataclass(frozen=True, kw_only=True)
class Minimizing:
    """Asks a pruner, which takes more for better, about scores of which less is better."""

    rule: Pruner

    def decides_after(self, epoch: int) -> bool:
        return self.rule.decides_after(epoch)

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:
        return self.rule.prunes([-score for score in scores], [replace(peer, score=-peer.score) for peer in peers])


class Never:
    """Stops no trial."""

    def decides_after(self, epoch: int) -> bool:  # noqa: ARG002 - all pruners are asked alike
        return False

    def prunes(self, scores: Sequence[float], peers: Sequence[Peer]) -> bool:  # noqa: ARG002 - as above
        return False


def _asha(search: "SearchSection", _trial: DecidedTrial) -> Pruner:
    """Halve successively without waiting: the best third goes on at epochs 1, 3, 9 …; the default."""
    return SuccessiveHalving(first_rung=search.pruning.min_resource, reduction_factor=search.pruning.reduction_factor)


def _hyperband(search: "SearchSection", trial: DecidedTrial) -> Pruner:
    """Divide the trials among several ashas that begin later and later: for slow starters and larger budgets."""
    factor = search.pruning.reduction_factor
    n_brackets = math.floor(math.log(trial.n_steps / search.pruning.min_resource, factor)) + 1
    return Hyperband(
        study_name=trial.study_name,
        trial_number=trial.trial_number,
        halving=SuccessiveHalving(first_rung=search.pruning.min_resource, reduction_factor=factor),
        parts=[math.ceil(n_brackets * factor**left / (left + 1)) for left in reversed(range(n_brackets))],
    )


def _median(search: "SearchSection", _trial: DecidedTrial) -> Pruner:
    """Stop a trial that is worse than the median of complete trials at the same epoch."""
    return _percentile_of(search, 50.0)


def _percentile(search: "SearchSection", _trial: DecidedTrial) -> Pruner:
    """Stop a trial that is not among the best complete trials, 25 % of them by default, at the same epoch."""
    return _percentile_of(search, search.pruning.percentile)


def _patient(search: "SearchSection", _trial: DecidedTrial) -> Pruner:
    """Prune as median does, but only a trial that has not improved for some epochs, 3 by default."""
    return Patient(pruner=_percentile_of(search, 50.0), patience=search.pruning.patience)


def _none(_search: "SearchSection", _trial: DecidedTrial) -> Pruner:
    """Train every trial to its last epoch."""
    return Never()


def _percentile_of(search: "SearchSection", percentile: float) -> Percentile:
    return Percentile(
        percentile=percentile,
        startup_trials=search.pruning.startup_trials,
        warmup_epochs=search.pruning.warmup_epochs,
    )


#: Name → function of the search and the trial; the first line of its docstring is the help.
PRUNERS: Mapping[str, "Callable[[SearchSection, DecidedTrial], Pruner]"] = {
    "asha": _asha,
    "hyperband": _hyperband,
    "median": _median,
    "percentile": _percentile,
    "patient": _patient,
    "none": _none,
}
