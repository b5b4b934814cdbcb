"""What a study's objective is on the test images, which finals report beside the test accuracy."""

import logging
from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.errors import shorten
from tuner.image_ranges import white_of
from tuner.jobs.interruptions import is_interruption
from tuner.logs import stdout_as_stderr
from tuner.studies.definitions.definition import StudyDefinition
from tuner.training.keras_loop import PictureBatches
from tuner.training.predictions import BATCH_SIZE
from tuner.training.request import OnNote
from tuner.training.scoring import Scoring
from tuner.training.targets import choose_labels

_log = logging.getLogger(__name__)


def score_test(
    model: keras.Model,
    test: LabelledImages,
    probabilities: NDArray[np.float32],
    *,
    definition: StudyDefinition,
    scoring: Scoring | None,
    on_note: OnNote,
) -> float | None:
    """Return the objective's value on the test images; None where it is the accuracy, or cannot be measured.

    Args:
        model: The retrained one.
        test: The test images.
        probabilities: What it answered on them, float32, shape (n, classes).
        definition: The study's.
        scoring: How its score is measured.
        on_note: Told why it cannot be measured: the tested model is worth more than this number.
    """
    if definition.objective.is_accuracy:
        return None
    if scoring is not None and scoring.function is not None:
        return score_probabilities(test.labels, probabilities, scoring=scoring, on_note=on_note)
    name = "loss" if scoring is None else scoring.metric
    return _guarded(lambda: _evaluate(model, test, definition)[str(name)], f"The test {name}", on_note)


def score_probabilities(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], *, scoring: Scoring | None, on_note: OnNote
) -> float | None:
    """Return what the objective is for these probabilities, as those of an ensemble; None where a model measures it."""
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
