"""What a study's objectives are on the test images, which finals report beside the test accuracy."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.errors import shorten
from tuner.image_ranges import white_of
from tuner.jobs.interruptions import is_interruption
from tuner.logs import stdout_as_stderr
from tuner.objectives import Objective
from tuner.studies.definitions.definition import StudyDefinition
from tuner.training.keras_loop import PictureBatches
from tuner.training.predictions import BATCH_SIZE
from tuner.training.request import OnNote
from tuner.training.scoring import Scoring, Scorings
from tuner.training.targets import choose_labels

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinalScores:
    """What the objectives are on the test images."""

    #: Of the objective that leads; None where it is the accuracy, or could not be measured.
    leading: float | None
    #: Of those beside it that could be measured and are no accuracy, by their names.
    others: Mapping[str, float]


def score_test(
    model: keras.Model,
    test: LabelledImages,
    probabilities: NDArray[np.float32],
    *,
    definition: StudyDefinition,
    scoring: Scorings,
    on_note: OnNote,
) -> FinalScores:
    """Measure the objectives on the test images.

    Args:
        model: The retrained one.
        test: The test images.
        probabilities: What it answered on them, float32, shape (n, classes).
        definition: The study's.
        scoring: How its scores are measured.
        on_note: Called with the reason why one cannot be measured: the tested model is worth more than this number.
    """
    evaluated: dict[str, float] = {}

    def evaluate(name: str) -> float:
        # Once for all that only the model can measure.
        evaluated.update(evaluated or _evaluate(model, test, definition))
        return evaluated[name]

    def measure(objective: Objective, how: Scoring | None) -> float | None:
        if objective.is_accuracy:
            return None
        if how is not None and how.function is not None:
            return _score_probabilities(test.labels, probabilities, scoring=how, on_note=on_note)
        name = "loss" if how is None else str(how.metric)
        return _guarded(lambda: evaluate(name), f"The test {name}", on_note)

    return FinalScores(
        leading=measure(definition.objective, scoring.leading),
        others=_known((objective.name, measure(objective, how)) for objective, how in scoring.others),
    )


def score_vote(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], *, scoring: Scorings, on_note: OnNote
) -> FinalScores:
    """Measure the objectives of the probabilities of an ensemble; without those that a model measures."""

    def measure(how: Scoring | None) -> float | None:
        return _score_probabilities(labels, probabilities, scoring=how, on_note=on_note)

    return FinalScores(
        leading=measure(scoring.leading),
        others=_known((objective.name, measure(how)) for objective, how in scoring.others),
    )


def _known(values: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    return {name: value for name, value in values if value is not None}


def _score_probabilities(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], *, scoring: Scoring | None, on_note: OnNote
) -> float | None:
    if scoring is None or scoring.function is None:
        return None
    return _guarded(lambda: scoring.of_probabilities(labels, probabilities), f"The test {scoring.name}", on_note)


def _evaluate(model: keras.Model, test: LabelledImages, definition: StudyDefinition) -> dict[str, float]:
    labels, _ = choose_labels(model, len(test.class_names), definition.data.labels)
    with stdout_as_stderr():
        logs: dict[str, float] = model.evaluate(
            PictureBatches(test, labels, batch_size=BATCH_SIZE, white=white_of(model)), verbose=0, return_dict=True
        )
    return logs


def _guarded(measure: Callable[[], float], what: str, on_note: OnNote) -> float | None:
    try:
        return float(measure())
    except Exception as error:
        if is_interruption(error):
            raise
        # A person's function or metric may raise anything, for images that it has not seen before.
        _log.warning("%s was not measured: %s", what, error, exc_info=True)
        on_note(f"{what} was not measured: {type(error).__name__}: {shorten(str(error), width=200)}")
        return None
