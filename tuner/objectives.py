"""What a search optimises: one `Objective`, by which trials and configurations are compared.

Everything else calls an objective's value the score. To add one: an entry in `OBJECTIVES`, named after the field of
`Epoch` that holds it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tuner.epochs import Epoch

#: Shown in place of a missing number: an en dash.
NO_VALUE = "\u2013"

#: A field of `Epoch` that may be a score.
Metric = Literal["loss", "accuracy", "val_loss", "val_accuracy"]

_UNMEASURED: Mapping[Metric, None] = MappingProxyType(
    {"loss": None, "accuracy": None, "val_loss": None, "val_accuracy": None}
)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is measured after each epoch, whether more of it is better, and how people read it."""

    #: The field of `Epoch` that holds the score.
    name: Metric
    #: Optuna's words.
    direction: Literal["maximize", "minimize"]
    #: In the middle of a sentence.
    label: str
    #: `percent` is for a fraction in [0, 1] of which 1 is perfect; its axis stretches towards 100 %. The axis of a
    #: `number` is linear.
    written_as: Literal["percent", "number"]
    #: What to do when no epoch has a score: a sentence without its full stop.
    advice: str

    @property
    def title(self) -> str:
        """The label as it begins a sentence."""
        return self.label[0].upper() + self.label[1:]

    @property
    def is_accuracy(self) -> bool:
        """Whether a score may be compared with the accuracy of a retrained model on held-out images."""
        return self.name == "val_accuracy"

    def of(self, epoch: Epoch) -> float | None:
        """Return the epoch's score; None where it was not measured."""
        score: float | None = getattr(epoch, self.name)
        return score

    def best_epoch(self, epochs: Iterable[Epoch]) -> Epoch | None:
        """Return the epoch of best score, the earlier of equals; None where none has a score that is a number."""
        scored = [epoch for epoch in epochs if (score := self.of(epoch)) is not None and not math.isnan(score)]
        return max(scored, key=lambda epoch: (self.utility(self.of(epoch)), -epoch.epoch), default=None)

    def only_score(self, epoch: int, score: float | None) -> Epoch:
        """Return an epoch of which nothing but its score is known."""
        return Epoch(epoch=epoch, **{**_UNMEASURED, self.name: score})

    def utility(self, score: float | None) -> float:
        """Return a number of which more is better, for comparisons: the score or its negative.

        A score that is missing or NaN is the worst.
        """
        if score is None or math.isnan(score):
            return -math.inf
        return score if self.direction == "maximize" else -score

    def is_better(self, score: float | None, other: float | None) -> bool:
        """Say whether a score is better than another one; equals are not, and a missing one is the worst."""
        return self.utility(score) > self.utility(other)

    def best_of(self, scores: Iterable[float]) -> float | None:
        """Return the best of these scores; None where there are none."""
        return max(scores, key=self.utility, default=None)

    def format(self, score: float | None, *, digits: int | None = None) -> str:
        """Write a score for people, a dash for None.

        Args:
            score: What to write.
            digits: Of a percentage those behind the point, 2 by default; of a number those that count, 4 by default.
        """
        if score is None:
            return NO_VALUE
        if self.written_as == "percent":
            return write_percent(score, digits=2 if digits is None else digits)
        return f"{score:.{4 if digits is None else digits}g}"


def write_percent(fraction: float, *, digits: int = 2) -> str:
    """Write a fraction in [0, 1] as a percentage, with a no-break space."""
    return f"{100 * fraction:.{digits}f}\u00a0%"


#: By name. A study's is `StudyDefinition.objective`.
OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in [
        Objective(
            name="val_accuracy",
            direction="maximize",
            label="validation accuracy",
            written_as="percent",
            advice="Compile the model with metrics=['accuracy']",
        ),
    ]
}
#: The name of the one that a study has.
DEFAULT_OBJECTIVE = "val_accuracy"
