"""Which of a model's metrics is its accuracy, found by what it measures instead of by its name.

Keras uses the name that the model's author gave: `SparseCategoricalAccuracy(name="top1")` reports `val_top1`, a second
one `val_top1_1`, and a custom function its own name. The accuracy is the metric that returns exactly the share of right
answers for answers that are known. `BinaryAccuracy` is not: it counts each class by itself, and is 0.9 for a model of
ten classes that has learnt nothing.
"""

import operator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.training.plan import Labels
from tuner.training.targets import encode_targets, other_labels

#: Names under which a custom loop may report an accuracy that no compiled metric measures.
USUAL_NAMES = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy")

#: Right answers among `_N_ANSWERS` in each of two comparisons: another metric may agree in one by chance.
_N_RIGHT = (3, 5)
_N_ANSWERS = 7

_ACCURACIES = (keras.metrics.SparseCategoricalAccuracy, keras.metrics.CategoricalAccuracy)
#: A model that replaces one of these decides for itself what is measured.
_MEASURING_METHODS = ("fit", "train_step", "test_step", "compute_metrics", "get_metrics_result", "metrics")


class AccuracyNames:
    """The names that a model's accuracy may have in Keras' logs, found again after the model was compiled again."""

    def __init__(self, model: keras.Model, n_classes: int) -> None:
        self._model, self._n_classes = model, n_classes
        self._metrics: list[Any] = []
        self._names: tuple[str, ...] = ()

    def read(self, labels: Labels) -> tuple[str, ...]:
        """Return the names, the most certain first; call it between epochs, because it resets the metrics' states.

        Args:
            labels: What the loss takes.
        """
        metrics = self._model.metrics
        is_same = len(metrics) == len(self._metrics) and all(map(operator.is_, metrics, self._metrics))
        if not self._names or not is_same:
            self._metrics, self._names = metrics, accuracy_names(self._model, self._n_classes, labels)
        return self._names


def accuracy_names(model: keras.Model, n_classes: int, labels: Labels) -> tuple[str, ...]:
    """Return the names that this model's accuracy may have in Keras' logs, the most certain first.

    The compiled metrics are computed for a few known answers and reset; no weight is touched.

    Args:
        model: Compiled.
        n_classes: Of its output, shape (batch, classes).
        labels: What the loss takes.
    """
    measured = _measure(model, n_classes, labels)
    compiled = [name for name, is_accuracy in measured.items() if is_accuracy]
    # A custom `train_step` may update metrics that are not compiled.
    own = [metric.name for metric in model.metrics if isinstance(metric, _ACCURACIES) and metric.name not in compiled]
    return (*compiled, *own, *(name for name in USUAL_NAMES if name not in measured))


def lacks_accuracy(model: keras.Model, n_classes: int, labels: Labels) -> bool:
    """Say whether Keras' loop would never measure this model's accuracy; False where the model has its own loop."""
    return not decides_what_is_measured(model) and not any(_measure(model, n_classes, labels).values())


def decides_what_is_measured(model: keras.Model) -> bool:
    """Say whether the model replaces a part of Keras' loop that measures, so that its metrics are not known."""
    return any(getattr(type(model), name) is not getattr(keras.Model, name) for name in _MEASURING_METHODS)


def metric_names(model: keras.Model, n_classes: int, labels: Labels) -> tuple[str, ...]:
    """Return the names of the compiled metrics, without the loss."""
    return tuple(_measure(model, n_classes, labels))


def why_nothing_is_measured(model: keras.Model, n_classes: int, labels: Labels) -> str | None:
    """Return what Keras says of metrics that it cannot compute, as of a name that it does not know; None of others."""
    try:
        _compute_metrics(model, n_classes, labels)
    except Exception as error:  # noqa: BLE001 - a metric may raise anything
        return f"{type(error).__name__}: {error}"
    finally:
        model.reset_metrics()
    return None


def _compute_metrics(model: keras.Model, n_classes: int, labels: Labels, *, n_right: int = _N_RIGHT[0]) -> Any:
    classes, answers = _known_answers(n_right, n_classes)
    targets = encode_targets(classes, n_classes, labels)
    return model.compute_metrics(None, *map(keras.ops.convert_to_tensor, (targets, answers)))


def _measure(model: keras.Model, n_classes: int, labels: Labels) -> dict[str, bool]:
    """Return each compiled metric's name, and whether it is the share of right answers.

    Where none is with the labels of the loss, the other labels are tried: a custom `fit` may convert those that it is
    given.
    """
    measured = _measure_with(model, n_classes, labels)
    if any(measured.values()):
        return measured
    others = _measure_with(model, n_classes, other_labels(labels))
    return others if any(others.values()) else measured or others


def _measure_with(model: keras.Model, n_classes: int, labels: Labels) -> dict[str, bool]:
    if type(model).compute_metrics is not keras.Model.compute_metrics:
        # A custom one may need the images, of which there are none here.
        return {}
    results = [_measure_known(model, n_right, n_classes, labels) for n_right in _N_RIGHT]
    wanted = [n_right / _N_ANSWERS for n_right in _N_RIGHT]
    return {
        name: np.allclose([result.get(name, np.nan) for result in results], wanted, atol=1e-5)
        for name in results[0]
        if name != "loss"
    }


def _measure_known(model: keras.Model, n_right: int, n_classes: int, labels: Labels) -> dict[str, float]:
    model.reset_metrics()
    try:
        logs = _compute_metrics(model, n_classes, labels, n_right=n_right)
    except Exception:  # noqa: BLE001 - a metric may raise anything for labels that it does not take
        logs = {}
    model.reset_metrics()
    # Some, such as an F1 score without an average, return a number for each class.
    return {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}


def _known_answers(n_right: int, n_classes: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return labels and answers of which `n_right` are right; rows do not sum to 1, so that thresholds fail."""
    labels = np.arange(_N_ANSWERS, dtype=np.int64) % n_classes
    answers = np.random.default_rng(n_right).uniform(0.1, 0.9, (_N_ANSWERS, n_classes)).astype(np.float32)
    chosen = np.where(np.arange(_N_ANSWERS) < n_right, labels, (labels + 1) % n_classes)
    answers[np.arange(_N_ANSWERS), chosen] = 0.95
    return labels, answers
