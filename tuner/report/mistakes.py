"""What a confusion matrix tells: precision, recall and F1 of each class, and which classes are confused."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.intervals import wilson_interval


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """Scores of one class; None where the denominator is zero."""

    name: str
    #: Test images of this class.
    images: int
    precision: float | None
    recall: float | None
    f1: float | None
    #: Wilson's 95 % interval of the recall; None of means and where there is no image.
    recall_interval: tuple[float, float] | None = None


def class_scores(matrix: NDArray[np.int64], class_names: tuple[str, ...]) -> tuple[ClassScores, ...]:
    """Return precision, recall and F1 of each class, in the order of the classes."""
    return tuple(
        ClassScores(
            name=name,
            images=int(matrix[index].sum()),
            precision=_ratio(matrix[index, index], matrix[:, index].sum()),
            recall=_ratio(matrix[index, index], matrix[index].sum()),
            f1=_ratio(2 * matrix[index, index], matrix[index].sum() + matrix[:, index].sum()),
            recall_interval=_recall_interval(int(matrix[index, index]), int(matrix[index].sum())),
        )
        for index, name in enumerate(class_names)
    )


def average_scores(scores: Sequence[ClassScores]) -> tuple[ClassScores, ClassScores]:
    """Return the mean over the classes, and the mean weighted by their images, as scikit-learn reports them.

    Of classes that the test set has; what is undefined, as the precision of a class that is never predicted, is 0.
    """
    present = [score for score in scores if score.images]
    n_images = sum(score.images for score in present)

    def mean(name: str, weights: Sequence[float]) -> ClassScores:
        precision, recall, f1 = (
            sum(weight * (getattr(score, part) or 0.0) for weight, score in zip(weights, present, strict=True))
            for part in ("precision", "recall", "f1")
        )
        return ClassScores(name=name, images=n_images, precision=precision, recall=recall, f1=f1)

    return (
        mean("Macro mean", [1 / len(present)] * len(present)),
        mean("Weighted mean", [score.images / n_images for score in present]),
    )


def confused_pairs(matrix: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return (true class, predicted class, images) of all kinds of mistakes, the most frequent first."""
    pairs = [(int(true), int(taken), int(matrix[true, taken])) for true, taken in zip(*np.nonzero(matrix), strict=True)]
    return sorted((pair for pair in pairs if pair[0] != pair[1]), key=lambda pair: -pair[2])


def _recall_interval(n_right: int, n_images: int) -> tuple[float, float] | None:
    return wilson_interval(n_right, n_images) if n_images else None


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
