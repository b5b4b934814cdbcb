"""Measures of a classifier are scikit-learn's, on skewed labels and with classes that no label has."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from tuner.class_metrics import auc, balanced_accuracy, confusion_matrix, log_loss, macro_f1, top_k_accuracy

N_CLASSES = 5
SHARES = {
    "skewed": (0.7, 0.2, 0.05, 0.03, 0.02),
    "a class absent": (0.6, 0.0, 0.3, 0.06, 0.04),
    "two classes absent, the last among them": (0.8, 0.1, 0.1, 0.0, 0.0),
}

Answers = tuple[NDArray[np.int64], NDArray[np.float32]]


def _auc_of_each(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """scikit-learn's mean over all classes is not defined where one is absent."""
    return float(
        np.mean(
            [metrics.roc_auc_score(labels == index, probabilities[:, index]) for index in np.unique(labels).tolist()]
        )
    )


PAIRS: dict[str, tuple[Callable[..., float], Callable[..., float]]] = {
    "balanced accuracy": (balanced_accuracy, lambda y, p: metrics.balanced_accuracy_score(y, p.argmax(axis=1))),
    "macro F1": (macro_f1, lambda y, p: metrics.f1_score(y, p.argmax(axis=1), average="macro")),
    "AUC": (auc, _auc_of_each),
    "log loss": (log_loss, lambda y, p: metrics.log_loss(y, p, labels=range(p.shape[1]))),
    "top 2": (
        lambda y, p: top_k_accuracy(y, p, k=2),
        lambda y, p: metrics.top_k_accuracy_score(y, p, k=2, labels=range(p.shape[1])),
    ),
}


def _answers(shares: tuple[float, ...], *, tied: bool = False, n: int = 400) -> Answers:
    random = np.random.default_rng(7)
    labels = random.choice(len(shares), n, p=shares)
    outputs = random.normal(size=(n, len(shares))) + 1.5 * np.eye(len(shares))[labels]
    if tied:
        # Few different values, so that classes of an image and images of a class are equal.
        outputs = np.round(outputs)
    exponents = np.exp(outputs)
    return labels, (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES.keys())
@pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS.keys())
def test_a_measure_is_scikit_learns(
    ours: Callable[..., float], theirs: Callable[..., float], shares: tuple[float, ...], *, tied: bool
) -> None:
    labels, probabilities = _answers(shares, tied=tied)

    with warnings.catch_warnings():
        # Of classes that are predicted and absent, and of rows whose float32 sum is 1 but for rounding.
        warnings.simplefilter("ignore")
        expected = theirs(labels, probabilities)

    assert ours(labels, probabilities) == pytest.approx(expected, abs=1e-6)


def test_the_auc_of_all_classes_is_scikit_learns_one_against_the_rest() -> None:
    labels, probabilities = _answers(SHARES["skewed"])
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)

    expected = metrics.roc_auc_score(labels, wide, multi_class="ovr", average="macro")

    assert auc(labels, wide) == pytest.approx(expected, abs=1e-9)


def test_certain_answers_have_a_finite_log_loss() -> None:
    labels, probabilities = np.array([0, 1, 1]), np.eye(2, dtype=np.float32)[[0, 1, 0]]

    assert log_loss(labels, probabilities) == pytest.approx(metrics.log_loss(labels, probabilities), abs=1e-6)


def test_answers_that_are_no_numbers_have_no_measure() -> None:
    labels, probabilities = _answers(SHARES["skewed"])
    probabilities[3, 1] = np.nan

    assert all(math.isnan(ours(labels, probabilities)) for ours, _ in list(PAIRS.values())[:3])
    assert math.isnan(top_k_accuracy(labels, probabilities, k=2))


def test_one_class_alone_has_no_auc() -> None:
    assert math.isnan(auc(np.zeros(4, np.int64), np.full((4, 2), 0.5, np.float32)))


def test_confusions_are_counted_by_label_and_answer() -> None:
    labels, probabilities = np.array([0, 0, 2]), np.eye(3, dtype=np.float32)[[0, 1, 2]]

    assert confusion_matrix(labels, probabilities.argmax(axis=1), 3).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
