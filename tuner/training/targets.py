"""Which labels a model is given: class indices or one-hot rows, as its loss takes.

| loss | labels |
|---|---|
| one of Keras' with `sparse` in its name | class indices, int32, shape (n,) |
| any other of Keras' | one-hot, float32, shape (n, classes) |
| a custom one | those with which a right answer costs less than a wrong one, tried on a few invented answers |

Where both or neither do, the metrics are tried in the same way; then a name with `sparse` decides for indices, and else
it is one-hot. A note says so, and names the setting `data.labels`.
"""

import functools
import logging
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.errors import TunerError
from tuner.training.plan import Labels, LabelsChoice

#: How messages name them.
WORDING: dict[Labels, str] = {"indices": "class indices", "one-hot": "one-hot labels"}

_BOTH: tuple[Labels, Labels] = ("one-hot", "indices")
#: Metrics that Keras adapts to the labels.
_ADAPTING = frozenset({"accuracy", "acc", "crossentropy", "ce"})

_log = logging.getLogger(__name__)


class SoftTargetsError(TunerError):
    """The model's loss cannot learn from a mixture of two classes."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(
            f"Received mixup or cutmix for a model compiled with the loss {_name(model.loss)} in a way that cannot be "
            "turned into a one-hot one. Expected categorical_crossentropy in the builder, or finals.augmentation.mixup "
            "= 0 and finals.augmentation.cutmix = 0, and the same in search.augmentation."
        )


class SmoothingError(TunerError):
    """The model's loss has no label smoothing."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(
            f"Received training.label_smoothing for a model compiled with the loss {_name(model.loss)}, in a way that "
            "cannot have it. Expected categorical_crossentropy or sparse_categorical_crossentropy with "
            "metrics=['accuracy'] in the builder, or training.label_smoothing = 0."
        )


class MetricLabelsError(TunerError):
    """A metric cannot take the labels that the loss takes."""

    def __init__(self, metric: Any, loss: Any, labels: Labels) -> None:
        super().__init__(
            f"Received the metric {_name(metric)} beside the loss {_name(loss)}, which is given {WORDING[labels]}: the "
            f"metric takes {WORDING[other_labels(labels)]}. Expected metrics=['accuracy'], or a metric for "
            f"{WORDING[labels]}."
        )


class ColumnLabelsError(TunerError):
    """A loss takes class indices only as a column."""

    def __init__(self, loss: Any) -> None:
        super().__init__(
            f"Received the loss {_name(loss)}, which takes class indices of shape (batch, 1) alone. Expected a loss "
            "for the shape (batch,), such as one with ops.reshape(y_true, (-1,)) in place of y_true[:, 0]; or "
            'data.labels = "indices" where a fit of the space\'s own gives the model such columns.'
        )


def other_labels(labels: Labels) -> Labels:
    """Return the other kind."""
    return "indices" if labels == "one-hot" else "one-hot"


def encode_targets(labels: NDArray[np.int64], n_classes: int, encoding: Labels) -> NDArray[Any]:
    """Return the labels as a model is given them.

    Returns:
        int32, shape (n,), for `indices`; float32, shape (n, n_classes), for `one-hot`.
    """
    if encoding == "indices":
        return labels.astype(np.int32)
    return np.eye(n_classes, dtype=np.float32)[labels]


def choose_labels(model: keras.Model, n_classes: int, asked: LabelsChoice = "auto") -> tuple[Labels, str | None]:
    """Return the labels that a compiled model is given, and a sentence that says so where they are a guess.

    Args:
        model: Built and compiled.
        n_classes: At least 2.
        asked: What the study says.

    Raises:
        MetricLabelsError: A metric cannot take them.
        ColumnLabelsError: The loss takes class indices in another shape.
    """
    if asked != "auto":
        return asked, None
    loss = _single_loss(model)
    known = _known_labels(loss)
    if known is not None:
        _refuse_other_metrics(model, loss, known, n_classes)
        return known, None
    trial = _loss_trial(model, loss)
    taken = [labels for labels in _BOTH if _tells_right_from_wrong(trial, labels, n_classes)]
    if len(taken) == 1:
        _refuse_other_metrics(model, loss, taken[0], n_classes)
        return taken[0], None
    if not taken and _tells_right_from_wrong(_with_columns(trial), "indices", n_classes):
        raise ColumnLabelsError(loss)
    chosen = _by_metrics(model, n_classes) or ("indices" if _is_called_sparse(loss) else "one-hot")
    found = "class indices and one-hot labels alike" if taken else "neither class indices nor one-hot labels for sure"
    return chosen, (
        f"The loss {_name(loss)} takes {found}: it is given {WORDING[chosen]}. "
        'Set data.labels to "indices" or "one-hot" to choose.'
    )


def accept_soft_targets(model: keras.Model) -> None:
    """Compile a model of the sparse cross-entropy again with the one-hot one, equal to it for unmixed targets.

    Raises:
        SoftTargetsError: The loss, or a metric beside it, takes class indices in another way.
    """
    loss = _plain_sparse_loss(model.loss)
    if loss is None or not _compile_with_one_hot_loss(model, from_logits=loss.from_logits):
        raise SoftTargetsError(model)


def smooth_labels(model: keras.Model, share: float) -> None:
    """Compile a model of a cross-entropy again with the one-hot one and this label smoothing, in place of its own.

    Args:
        model: Compiled.
        share: Of each label's probability that is spread evenly over all classes.

    Raises:
        SmoothingError: Its loss is no cross-entropy or divergence over classes, or a metric takes class indices alone.
    """
    loss = _plain_sparse_loss(model.loss) or _plain_one_hot_loss(model.loss)
    if _is_divergence(model.loss):
        # Its gradients are the cross-entropy's: the two differ by the labels' entropy.
        loss = keras.losses.CategoricalCrossentropy()
    if loss is None or not _compile_with_one_hot_loss(model, from_logits=loss.from_logits, label_smoothing=share):
        raise SmoothingError(model)


def _compile_with_one_hot_loss(model: keras.Model, **settings: Any) -> bool:
    """Compile the model again with the one-hot cross-entropy; return whether its metrics allow it."""
    compiled = model.get_compile_config() or {}
    metrics, weighted = compiled.get("metrics") or [], compiled.get("weighted_metrics") or []
    all_named = (
        isinstance(metrics, list)
        and isinstance(weighted, list)
        and all(isinstance(metric, str) for metric in metrics + weighted)
    )
    if not all_named or type(model).compile is not keras.Model.compile:
        return False
    model.compile(
        optimizer=model.optimizer,
        loss=keras.losses.CategoricalCrossentropy(**settings),
        metrics=[name.removeprefix("sparse_") for name in metrics],
        weighted_metrics=[name.removeprefix("sparse_") for name in weighted],
        run_eagerly=model.run_eagerly,
        jit_compile=model.jit_compile,
    )
    return True


def _plain_one_hot_loss(loss: Any) -> keras.losses.Loss | None:
    if loss in ("categorical_crossentropy", keras.losses.categorical_crossentropy):
        return keras.losses.CategoricalCrossentropy()
    is_plain = type(loss) is keras.losses.CategoricalCrossentropy and loss.axis == -1
    return loss if is_plain else None


def _plain_sparse_loss(loss: Any) -> keras.losses.Loss | None:
    if loss in ("sparse_categorical_crossentropy", keras.losses.sparse_categorical_crossentropy):
        return keras.losses.SparseCategoricalCrossentropy()
    return loss if type(loss) is keras.losses.SparseCategoricalCrossentropy and loss.ignore_class is None else None


def _is_divergence(loss: Any) -> bool:
    return type(loss) is keras.losses.KLDivergence or loss in ("kl_divergence", keras.losses.kl_divergence)


def _single_loss(model: keras.Model) -> Any:
    """Return the one loss of a model of one output, taken out of a list or dictionary; None when there is none."""
    losses = [loss for loss in keras.tree.flatten(model.loss) if loss is not None]
    if not losses:
        # A model with a custom `train_step` may keep one as an attribute.
        losses = [value for value in vars(model).values() if isinstance(value, keras.losses.Loss)]
    return losses[0] if len(losses) == 1 else None


def _known_labels(loss: Any) -> Labels | None:
    """Return what one of Keras' losses takes, by its name; None for a custom one."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    # Keras' loss classes wrap Keras' functions; `LossFunctionWrapper` wraps custom ones too.
    inner = getattr(loss, "fn", loss)
    parts = (loss, inner)
    if isinstance(loss, str):
        names = {loss}
    elif all(_module(part).partition(".")[0] == "keras" for part in parts):
        names = {_name(part) for part in parts}
    else:
        return None
    return "indices" if any("sparse" in name.lower() for name in names) else "one-hot"


def _module(part: Any) -> str:
    return str(getattr(part, "__module__", None) or type(part).__module__)


def _is_called_sparse(loss: Any) -> bool:
    names = (getattr(loss, "name", ""), getattr(loss, "__name__", ""), type(loss).__name__)
    return any("sparse" in name.lower() for name in names if isinstance(name, str))


def _name(part: Any) -> str:
    return part if isinstance(part, str) else getattr(part, "__name__", type(part).__name__)


#: Measures answers, float32, shape (n, classes), against targets; one number, or an exception.
_Trial = Callable[[NDArray[Any], NDArray[np.float32]], float]


class _FunctionAsLoss(keras.losses.Loss):  # type: ignore[misc] # Keras ships no types
    """A function called as Keras calls it: with floats."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(name="trial")
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._function(y_true, y_pred)


def _loss_trial(model: keras.Model, loss: Any) -> _Trial:
    if type(model).compute_loss is not keras.Model.compute_loss or loss is None:
        shape = tuple(model.inputs[0].shape[1:]) if getattr(model, "inputs", None) else ()

        def ask_model(targets: NDArray[Any], answers: NDArray[np.float32]) -> float:
            x = keras.ops.zeros((len(answers), *shape))
            y, y_pred = map(keras.ops.convert_to_tensor, (targets, answers))
            try:
                return _mean(model.compute_loss(x=x, y=y, y_pred=y_pred))
            finally:
                model.reset_metrics()

        return ask_model
    measure = loss if isinstance(loss, keras.losses.Loss) else _FunctionAsLoss(loss)
    return lambda targets, answers: _mean(measure(targets, answers))


def _with_columns(trial: _Trial) -> _Trial:
    return lambda targets, answers: trial(targets[:, None], answers)


def _metric_trial(metric: Any) -> _Trial:
    """Measure with a copy, because a metric's variables get their shapes on its first use."""

    def ask(targets: NDArray[Any], answers: NDArray[np.float32]) -> float:
        if isinstance(metric, str):
            fresh = keras.metrics.get(metric)
        elif isinstance(metric, keras.metrics.Metric):
            fresh = type(metric).from_config(metric.get_config())
        else:
            fresh = metric
        if not isinstance(fresh, keras.metrics.Metric):
            return _mean(fresh(*map(keras.ops.convert_to_tensor, (targets.astype(np.float32), answers))))
        fresh.update_state(targets, answers)
        return _mean(fresh.result())

    return ask


def _mean(value: Any) -> float:
    return float(np.mean(keras.ops.convert_to_numpy(value)))


def _tells_right_from_wrong(trial: _Trial, labels: Labels, n_classes: int, *, falls: bool = True) -> bool:
    """Say whether wrong answers are measured as different from right ones; for a loss, as higher.

    Both have the same numbers in another order, so that a function which ignores the labels returns the same.
    """
    # Neither 1 nor the number of classes, to which NumPy would broadcast arrays of a wrong shape.
    n = next(size for size in (3, 4) if size != n_classes)
    classes = np.arange(n) % n_classes
    targets = encode_targets(classes, n_classes, labels)
    answers = [np.full((n, n_classes), 0.1 / (n_classes - 1), np.float32) for _ in range(2)]
    for shift, answer in enumerate(answers):
        answer[np.arange(n), (classes + shift) % n_classes] = 0.9
    try:
        right, wrong = (trial(targets, answer) for answer in answers)
    except Exception as error:  # noqa: BLE001 - a custom function may raise anything for labels that it does not take
        _log.debug("Tried with %s: %s", WORDING[labels], error)
        return False
    if not (math.isfinite(right) and math.isfinite(wrong)):
        return False
    return right < wrong - 1e-6 if falls else abs(right - wrong) > 1e-6  # noqa: PLR2004 - float32's rounding


def _own_metrics(model: keras.Model) -> list[Any]:
    compiled = getattr(model, "_compile_metrics", None)
    given = [getattr(compiled, name, None) for name in ("_user_metrics", "_user_weighted_metrics")]
    return [metric for metric in keras.tree.flatten(given) if metric is not None and not _adapts(metric)]


def _adapts(metric: Any) -> bool:
    # The model itself gives a plain mean or sum its values.
    is_plain = type(metric) in {keras.metrics.Mean, keras.metrics.Sum}
    return is_plain or (isinstance(metric, str) and metric in _ADAPTING)


def _by_metrics(model: keras.Model, n_classes: int) -> Labels | None:
    """Return the only labels that the metrics take; None when they do not tell."""
    for metric in _own_metrics(model):
        taken = [labels for labels in _BOTH if _takes(metric, labels, n_classes)]
        if len(taken) == 1:
            return taken[0]
    return None


def _takes(metric: Any, labels: Labels, n_classes: int) -> bool:
    return _tells_right_from_wrong(_metric_trial(metric), labels, n_classes, falls=False)


def _refuse_other_metrics(model: keras.Model, loss: Any, labels: Labels, n_classes: int) -> None:
    for metric in _own_metrics(model):
        if not _takes(metric, labels, n_classes) and _takes(metric, other_labels(labels), n_classes):
            raise MetricLabelsError(metric, loss, labels)
