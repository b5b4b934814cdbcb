"""What a search optimises: an `Objective`, by which trials and configurations are compared, and measures beside it.

Everything else calls the value of the one that leads the score. Beside it stand other objectives and costs.

To add an objective: an entry in `OBJECTIVES`, with the field of `Epoch` that holds it; one that is measured of a
model's answers has the field `score` and a function in `training/scoring.py`.
A cost is what a model needs, whatever it has learned: an entry in `COSTS`, and a line in `training/costs.py`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from tuner.epochs import Epoch

#: Shown in place of a missing number: an en dash.
NO_VALUE = "\u2013"

#: A field of `Epoch` that may be a score.
Metric = Literal["loss", "accuracy", "val_loss", "val_accuracy", "score"]
#: Optuna's words.
Direction = Literal["maximize", "minimize"]
#: How many of a model's first answers `top_k_accuracy` looks at, unless a study says another number.
DEFAULT_TOP_K = 5

#: From here on a number has one decimal, below it three digits.
_TENS = 10

_UNMEASURED: Mapping[Metric, None] = MappingProxyType(
    {"loss": None, "accuracy": None, "val_loss": None, "val_accuracy": None}
)


@dataclass(frozen=True, kw_only=True)
class Measure(ABC):
    """One number of a trial, whether more of it is better, and how people read it."""

    #: As `search.objective` and `search.objectives` have it.
    name: str
    #: Whether more or less of it is better.
    direction: Direction
    #: In the middle of a sentence.
    label: str

    @property
    def title(self) -> str:
        """The label as it begins a sentence."""
        return self.label[0].upper() + self.label[1:]

    @property
    def best_word(self) -> str:
        """Which end is better, for people."""
        return "higher is better" if self.direction == "maximize" else "lower is better"

    def describe(self) -> str:
        """Return what is optimised, its name in a definition where the label does not say it, and the better end."""
        name = "" if self.name in self.label else f"{self.name}, "
        return f"{self.label} ({name}{self.best_word})"

    def utility(self, value: float | None) -> float:
        """Return a number of which more is better, for comparisons: the value or its negative.

        A value that is missing or NaN is the worst.
        """
        if value is None or math.isnan(value):
            return -math.inf
        return value if self.direction == "maximize" else -value

    @abstractmethod
    def format(self, value: float | None, /) -> str:
        """Write a value for people, a dash for None."""

    @abstractmethod
    def named(self, value: float | None, /) -> str:
        """Write a value where those of other measures stand beside it."""


@dataclass(frozen=True, kw_only=True)
class Objective(Measure):
    """What is measured after each epoch, on validation images."""

    #: The field of `Epoch` that holds the score.
    field: Metric
    #: `percent` is for a fraction in [0, 1] of which 1 is perfect; its axis stretches towards 100 %. The axis of a
    #: `number` is linear.
    written_as: Literal["percent", "number"]
    #: What to do when no epoch has a score: a sentence without its full stop.
    advice: str
    #: Whether another one leads: `Epoch.others` then holds what would be `Epoch.score`.
    is_beside: bool = False

    @property
    def is_accuracy(self) -> bool:
        """Whether a score may be compared with the accuracy of a retrained model on held-out images."""
        return self.field == "val_accuracy"

    @property
    def is_function(self) -> bool:
        """Whether a function of a person's own measures it, found by its import path."""
        return ":" in self.name

    @property
    def is_metric(self) -> bool:
        """Whether it is a metric that the model was compiled with."""
        return self.name not in OBJECTIVES and not self.is_function

    @property
    def may_be_by_class(self) -> bool:
        """Whether every class counts alike in it, or may, as in a function of a person's own."""
        return self.name not in OBJECTIVES or self.name in _BY_CLASS

    @property
    def plain_label(self) -> str:
        """The label without the images that it is measured on."""
        return self.label.removeprefix("validation ")

    def named(self, score: float | None) -> str:
        """Write a score where a table holds those of several objectives: an arrow points to the better end.

        An accuracy is written as it is.
        """
        if score is None or self.is_accuracy:
            return self.format(score)
        return f"{self.format(score)} {self.plain_label} {'↑' if self.direction == 'maximize' else '↓'}"

    def of(self, epoch: Epoch) -> float | None:
        """Return the epoch's score; None where it was not measured."""
        if self.is_beside and self.field == "score":
            return (epoch.others or {}).get(self.name)
        score: float | None = getattr(epoch, self.field)
        return score

    def best_epoch(self, epochs: Iterable[Epoch]) -> Epoch | None:
        """Return the epoch of best score, the earlier of equals; None where none has a score that is a number."""
        scored = [epoch for epoch in epochs if (score := self.of(epoch)) is not None and not math.isnan(score)]
        return max(scored, key=lambda epoch: (self.utility(self.of(epoch)), -epoch.epoch), default=None)

    def only_score(self, epoch: int, score: float | None) -> Epoch:
        """Return an epoch of which nothing but its score is known."""
        values: dict[Any, Any] = {**_UNMEASURED, self.field: score}
        return Epoch(epoch=epoch, **values)

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


@dataclass(frozen=True, kw_only=True)
class Cost(Measure):
    """What a trained model needs, whatever it has learned: no epoch changes it, and less of it is better."""

    direction: Direction = "minimize"
    #: Follows the number, after a space; empty where the label says it.
    unit: str = ""
    #: How many of the unit one of the measured number is.
    scale: float = 1.0
    #: Whether it is counted: a whole number.
    is_counted: bool = False

    def format(self, value: float | None) -> str:
        """Write a value with its unit for people, a dash for None."""
        if value is None:
            return NO_VALUE
        shown = value * self.scale
        number = (
            f"{shown:,.0f}"
            if self.is_counted and not self.unit
            else f"{shown:,.1f}"
            if shown >= _TENS
            else f"{shown:.3g}"
        )
        return f"{number}\u00a0{self.unit}" if self.unit else number

    def named(self, value: float | None) -> str:
        """Write a value where others stand beside it."""
        return self.format(value) if self.unit or value is None else f"{self.format(value)}\u00a0{self.label}"


def write_percent(fraction: float, *, digits: int = 2) -> str:
    """Write a fraction in [0, 1] as a percentage, with a no-break space."""
    return f"{100 * fraction:.{digits}f}\u00a0%"


_ADVICE = "Train with validation images"


def _measured(name: str, label: str, *, written_as: Literal["percent", "number"], minimized: bool = False) -> Objective:
    """Return an objective that is computed of a model's answers on the validation images."""
    return Objective(
        name=name,
        field="score",
        direction="minimize" if minimized else "maximize",
        label=label,
        written_as=written_as,
        advice=_ADVICE,
    )


#: By the name that `search.objective` has. A study's is `StudyDefinition.objective`.
OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in [
        Objective(
            name="accuracy",
            field="val_accuracy",
            direction="maximize",
            label="validation accuracy",
            written_as="percent",
            advice="Compile the model with metrics=['accuracy']",
        ),
        Objective(
            name="loss",
            field="val_loss",
            direction="minimize",
            label="validation loss",
            written_as="number",
            advice=_ADVICE,
        ),
        _measured("balanced_accuracy", "validation balanced accuracy", written_as="percent"),
        _measured("macro_f1", "validation macro F1", written_as="number"),
        _measured("auc", "validation AUC", written_as="number"),
        _measured("log_loss", "validation log loss", written_as="number", minimized=True),
        _measured("top_k_accuracy", "validation top-k accuracy", written_as="percent"),
    ]
}
DEFAULT_OBJECTIVE = "accuracy"
#: By the name that `search.objectives` and `search.constraints` have. Every trial has all of them.
COSTS: Mapping[str, Cost] = {
    cost.name: cost
    for cost in [
        Cost(name="parameters", label="parameters", is_counted=True),
        Cost(name="size_bytes", label="size of the weights", unit="kB", scale=1e-3, is_counted=True),
        Cost(name="latency_ms", label="latency of one image", unit="ms"),
    ]
}
#: Those in which every class counts alike, whatever its size.
_BY_CLASS = frozenset({"balanced_accuracy", "macro_f1", "auc"})


def find_objective(name: str, *, direction: Direction | None = None, top_k: int = DEFAULT_TOP_K) -> Objective:
    """Return the objective that a study names: an entry of the table, a metric of its model, or a function.

    Args:
        name: A key of `OBJECTIVES`, the name of a compiled metric, or `package.module:function`.
        direction: Of a metric or function; None: more is better.
        top_k: See `DEFAULT_TOP_K`.
    """
    known = OBJECTIVES.get(name)
    if known is not None:
        return replace(known, label=f"validation top-{top_k} accuracy") if name == "top_k_accuracy" else known
    own = Objective(
        name=name,
        field="score",
        direction=direction or "maximize",
        label=f"validation {name.rpartition(':')[2]}",
        written_as="number",
        advice="Compile the model with this metric, or set search.objective to one that it has",
    )
    return replace(own, advice=_ADVICE) if own.is_function else own


def scores_beside(others: Iterable[Measure], epoch: Epoch | None) -> dict[str, float]:
    """Return by name what the objectives beside the one that leads are in an epoch; none that are no number."""
    found = {other.name: other.of(epoch) for other in others if epoch and isinstance(other, Objective)}
    return {name: value for name, value in found.items() if value is not None and not math.isnan(value)}


def write_beside(others: Iterable[Measure], values: Mapping[str, float]) -> str:
    """Write what of a trial stands beside its score, each after a comma; nothing where nothing is known."""
    return "".join(f", {other.named(values[other.name])}" for other in others if other.name in values)
