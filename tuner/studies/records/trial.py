"""A trial of the search as a plain value, and what its search drew from."""

import statistics
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tuner.epochs import Epoch
from tuner.plain_values import Hyperparameters
from tuner.studies.slots.outcomes import Costs, Failure, Scores
from tuner.studies.states import TrialState
from tuner.summaries import summary_html


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchedRange:
    """What the search drew a hyperparameter from; in a space with conditions there may be several of one name."""

    name: str
    #: The possible values of a choice; None for a range.
    choices: tuple[Any, ...] | None = None
    #: Ends of a range, both included, its step where it has one, and whether it is drawn by its logarithm.
    low: float | None = None
    high: float | None = None
    step: float | None = None
    is_logarithmic: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it holds more than one value, so that something was searched."""
        return self.low != self.high if self.choices is None else len(self.choices) > 1


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldRecord:
    """One finished fold of a trial: a model that was trained on the other folds and scored on this one."""

    #: From 1.
    number: int
    #: Best of its epochs, and which one; the epoch is known when the trial has ended.
    score: float
    best_epoch: int | None
    curve: tuple[Epoch, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TrialRecord:
    """One trial of the search."""

    number: int
    state: TrialState
    #: Best so far, see the study's objective, and its epoch. With folds: the mean over them so far, and None.
    score: float | None
    best_epoch: int | None
    hyperparameters: Hyperparameters
    seed: int | None
    #: How often a worker began or went on with it.
    attempts: int
    workers: tuple[str, ...]
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    #: With folds: the mean over them by epoch, once the trial has ended.
    curve: tuple[Epoch, ...]
    failure: Failure | None = None
    #: What a person should know of how it was trained, in sentences.
    notes: tuple[str, ...] = ()
    #: The finished folds; empty in a study without folds.
    folds: tuple[FoldRecord, ...] = ()

    #: Of a study of one factor at a time, see `tuner.studies.records.factors`: the one value that is not the
    #: default, empty for the defaults; and the repeat from 0, in which all values have one seed. None in other studies.
    varied: Hyperparameters | None = None
    repeat: int | None = None
    #: Why it ended before its last epoch, if neither the pruner nor a failure ended it, see `SearchOutcome`.
    ended: Literal["timeout", "constraint"] | None = None
    #: What its model needs, by the names of `tuner.objectives.COSTS`; empty where none was built, and in old studies.
    costs: Costs = field(default_factory=dict)
    #: What the study's other objectives are in the best epoch, or their means over folds, once the trial has ended.
    others: Scores = field(default_factory=dict)
    #: Place among the trials that were asked for, from 0: the first ones take values that were chosen before the
    #: search, such as the space's defaults. Numbers follow the order in which workers began.
    position: int | None = None

    @property
    def score_sd(self) -> float | None:
        """Sample standard deviation of the score over folds; None for fewer than two."""
        scores = [fold.score for fold in self.folds]
        return statistics.stdev(scores) if len(scores) > 1 else None

    @property
    def n_epochs(self) -> int:
        """Number of epochs in its curve, or in those of its folds together."""
        return sum(len(fold.curve) for fold in self.folds) if self.folds else len(self.curve)

    @property
    def fold_means(self) -> tuple[float, ...]:
        """The mean over the first fold, over the first two, and so on: what trials with folds are compared by."""
        scores = [fold.score for fold in self.folds]
        return tuple(statistics.fmean(scores[:n]) for n in range(1, len(scores) + 1))

    def __repr__(self) -> str:
        """Return number, state and score; the curve alone may be thousands of characters."""
        return f"<Trial {self.number}, {self.state}{_told_score(self.score)}>"

    def _repr_html_(self) -> str:
        rows = {
            "state": self.state,
            "score": None if self.score is None else f"{self.score:.4f}",
            "best epoch": self.best_epoch,
            "epochs": self.n_epochs or None,
            "duration": None if self.duration_s is None else f"{self.duration_s:.1f} s",
            **self.hyperparameters,
            "failure": None if self.failure is None else f"{self.failure.kind}: {self.failure.message}",
        }
        return summary_html(f"Trial {self.number}", rows)


def _told_score(score: float | None) -> str:
    return "" if score is None else f", score {score:.4f}"
