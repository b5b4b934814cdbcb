"""An epoch's score where it is none of Keras' losses and accuracies: a metric, or a measure of the model's answers.

Whole-epoch programs hand the validation set's outputs over, which they compute anyway; after an epoch of Keras' own
loop or of a person's own the model answers once more. Either way the same function measures the same probabilities, so
that a study has equal scores by all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from types import MappingProxyType

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.class_metrics import auc, balanced_accuracy, log_loss, macro_f1, top_k_accuracy
from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError
from tuner.objectives import Objective
from tuner.training.predictions import normalise, output_kind

#: Measures labels, int64, shape (n,), and probabilities, float32, shape (n, classes).
ScoreFunction = Callable[[NDArray[np.int64], NDArray[np.float32]], float]

_MEASURES: Mapping[str, ScoreFunction] = MappingProxyType(
    {"balanced_accuracy": balanced_accuracy, "macro_f1": macro_f1, "auc": auc, "log_loss": log_loss}
)


class ScoreError(TunerError):
    """A function that should measure a model's answers did not return a number."""

    def __init__(self, name: str, received: str) -> None:
        super().__init__(
            f"The objective {name} {received}. Expected a number for labels, int64, shape (n,), and probabilities, "
            "float32, shape (n, classes)."
        )


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How the score of an epoch is found that has none among Keras' own values."""

    #: The objective's, for messages.
    name: str
    #: The name of a compiled metric; None where answers are measured.
    metric: str | None = None
    function: ScoreFunction | None = None

    def of_logs(self, logs: Mapping[str, float]) -> float | None:
        """Return the metric's value on the validation images; None where Keras' logs have none."""
        value = logs.get(f"val_{self.metric}")
        return None if value is None else float(value)

    def of_outputs(self, model: keras.Model, outputs: NDArray[np.float32], images: LabelledImages) -> float:
        """Measure what the model returned for these images, see `predictions`; NaN where that is no number.

        Raises:
            ScoreError: The function returned no number.
        """
        probabilities = normalise(outputs, output_kind(model, outputs))
        if not np.isfinite(probabilities.sum()):
            return np.nan
        return self.of_probabilities(images.labels, probabilities)

    def of_probabilities(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """Measure labels, shape (n,), and probabilities, shape (n, classes).

        Raises:
            ScoreError: The function returned no number, or NaN.
        """
        if self.function is None:
            raise ValueError(f"Received answers for {self.name}. Expected logs, in which Keras reports this metric.")
        value = self.function(labels, probabilities)
        if isinstance(value, bool) or not isinstance(value, Real | np.generic | np.ndarray) or np.ndim(value):
            raise ScoreError(self.name, f"returned {_describe(value)}")
        number = float(value)
        if np.isnan(number) and self.name not in _MEASURES:
            raise ScoreError(self.name, "returned NaN")
        return number


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What was measured of an epoch beside Keras' losses and accuracies."""

    leading: float | None = None
    #: By the names of the objectives; None without any.
    others: Mapping[str, float | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Scorings:
    """How the scores of an epoch are found: that of the objective that leads, and those beside it."""

    #: None: every epoch has it.
    leading: Scoring | None = None
    #: The objectives beside it, each with how it is measured; None where every epoch has it.
    others: Sequence[tuple[Objective, Scoring | None]] = ()

    @property
    def need_answers(self) -> bool:
        """Whether any of them is measured of the model's answers."""
        return any(scoring.function is not None for scoring in self._all)

    @property
    def _all(self) -> list[Scoring]:
        return [scoring for scoring in (self.leading, *(scoring for _, scoring in self.others)) if scoring]

    def measure(
        self,
        model: keras.Model,
        images: LabelledImages,
        logs: Mapping[str, float],
        answers: Callable[[], NDArray[np.float32]],
    ) -> Scores:
        """Measure an epoch.

        Args:
            model: After the epoch.
            images: Those of validation.
            logs: Keras' of the epoch.
            answers: Returns what the model returned for the images; called once if at all.

        Raises:
            ScoreError: A function returned no number.
        """
        outputs = answers() if self.need_answers else None

        def of(scoring: Scoring) -> float | None:
            if outputs is None or scoring.function is None:
                return scoring.of_logs(logs)
            return scoring.of_outputs(model, outputs, images)

        others = {objective.name: of(scoring) for objective, scoring in self.others if scoring is not None}
        return Scores(leading=None if self.leading is None else of(self.leading), others=others or None)


def make_scoring(objective: Objective, *, top_k: int, own: ScoreFunction | None = None) -> Scoring | None:
    """Return how an objective is measured; None where every epoch has it anyway.

    Args:
        objective: The study's.
        top_k: How many first answers `top_k_accuracy` looks at.
        own: The function that the objective names, if it names one.
    """
    if objective.field != "score":
        return None
    function = partial(top_k_accuracy, k=top_k) if objective.name == "top_k_accuracy" else _MEASURES.get(objective.name)
    measure = function or own
    return Scoring(name=objective.name, metric=None if measure else objective.name, function=measure)


def _describe(value: object) -> str:
    if value is None:
        return "nothing"
    shape = np.shape(value) if isinstance(value, np.ndarray) else None
    return f"an array of shape {shape}" if shape else f"{type(value).__name__} {value!r:.60}"
