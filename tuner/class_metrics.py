"""Measures of a classifier from labels and probabilities, as scikit-learn defines them, in a few NumPy calls each.

scikit-learn's own functions check and encode their arguments anew each time, which takes longer than a small net's
validation; tests hold these against them. Every function but the first takes

    labels          class indices, int, shape (n,), n at least 1
    probabilities   float, shape (n, classes), each row a distribution; NaN gives NaN

and a class that no label has, because it is absent from the validation images, counts as each docstring says.
"""

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]
Probabilities = NDArray[np.floating]


def confusion_matrix(labels: Labels, predicted: Labels, n_classes: int) -> NDArray[np.int64]:
    """Return how many images of each class (row) are taken for each class (column): shape (classes, classes).

    Args:
        labels: Class indices, shape (n,).
        predicted: The classes that they are taken for, shape (n,).
        n_classes: Number of classes.
    """
    cells = labels.astype(np.int64) * n_classes + predicted
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def balanced_accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean recall of the classes, each counting alike; a class without a label is left out."""
    if not _are_numbers(probabilities):
        return np.nan
    confusions = _confusions(labels, probabilities)
    n_of_class = confusions.sum(axis=1)
    present = n_of_class > 0
    return float((confusions.diagonal()[present] / n_of_class[present]).mean())


def macro_f1(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean F1 of the classes, each counting alike.

    A class without a label has an F1 of 0 if any image is taken for it, and is left out otherwise.
    """
    if not _are_numbers(probabilities):
        return np.nan
    confusions = _confusions(labels, probabilities)
    either = confusions.sum(axis=0) + confusions.sum(axis=1)
    return float((2 * confusions.diagonal()[either > 0] / either[either > 0]).mean())


def auc(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean area under the ROC curves of each class against the others, each class counting alike.

    A class without a label has no such curve and is left out, and so is one that all labels have; NaN without any left.
    """
    if not _are_numbers(probabilities):
        return np.nan
    areas = []
    for index, scores in enumerate(np.ascontiguousarray(probabilities.T)):
        of_class = labels == index
        positives, negatives = scores[of_class], np.sort(scores[~of_class])
        if len(positives) and len(negatives):
            # A positive stands above the negatives left of it, and half above its equals.
            ranks = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
            areas.append(ranks.mean() / 2 / len(negatives))
    return float(np.mean(areas)) if areas else np.nan


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean of minus the logarithm of the right class's probability.

    Probabilities are kept as far from 0 and 1 as their type tells numbers from 1; an absent class changes nothing.
    """
    least = np.finfo(probabilities.dtype).eps
    wide = probabilities.astype(np.float64)
    right = wide[np.arange(len(labels)), labels] / wide.sum(axis=1)
    return float(-np.log(np.clip(right, least, 1 - least)).mean())


def top_k_accuracy(labels: Labels, probabilities: Probabilities, *, k: int) -> float:
    """Return the share of images whose class is among their k most probable ones; of equals, later classes first."""
    if not _are_numbers(probabilities):
        return np.nan
    right = probabilities[np.arange(len(labels)), labels][:, None]
    is_later = np.arange(probabilities.shape[1])[None] > labels[:, None]
    n_before = ((probabilities > right) | ((probabilities == right) & is_later)).sum(axis=1)
    return float((n_before < k).mean())


def _confusions(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    return confusion_matrix(labels, probabilities.argmax(axis=1), probabilities.shape[1])


def _are_numbers(probabilities: Probabilities) -> bool:
    """Say whether none is NaN: comparisons would count it as an answer."""
    return bool(np.isfinite(probabilities.sum()))
