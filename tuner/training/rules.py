"""Rules of training that act on the model of any builder, see `Training`.

| rule            | acts on                   | during and after the run                                           |
|-----------------|---------------------------|--------------------------------------------------------------------|
| label_smoothing | the loss, see `targets`   |                                                                    |
| weight_decay    | the optimizer             |                                                                    |
| ema_momentum    | the optimizer             | validation sees the average, which replaces the weights at the end |
| early_stopping  | the run                   | the weights of the best epoch return at the end                    |
| class_weights   | what an image counts      |                                                                    |
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError, did_you_mean
from tuner.training.variables import read_variable
from tuner.training_settings import Training

#: Parts of the names of biases and of the scales of normalization, which lose nothing to weight decay.
_NOT_DECAYED = ("bias", "gamma", "beta")


class TrainingRuleError(TunerError):
    """The model or its images cannot be trained by the rules of the study."""


def set_up_optimizer(model: keras.Model, training: Training) -> None:
    """Give a compiled model's optimizer its weight decay and the average of its weights, before it has variables.

    Raises:
        TrainingRuleError: It is not Keras' own kind, has several optimizers in it, or has its variables already.
    """
    asked = {name: value for name in ("weight_decay", "ema_momentum") if (value := getattr(training, name))}
    if not asked:
        return
    optimizer = _inner(model.optimizer)
    if not isinstance(optimizer, keras.optimizers.Optimizer) or hasattr(optimizer, "optimizers") or optimizer.built:
        kind = "that has its variables already" if getattr(optimizer, "built", False) else "of another kind"
        raise TrainingRuleError(
            f"Received training.{' and training.'.join(asked)} for an optimizer {kind}, {type(optimizer).__name__}. "
            f"Expected one of keras.optimizers that the builder has not built, or training.{next(iter(asked))} = 0."
        )
    if training.weight_decay:
        optimizer.weight_decay = training.weight_decay
        if not hasattr(optimizer, "_exclude_from_weight_decay"):
            optimizer.exclude_from_weight_decay(var_names=list(_NOT_DECAYED))
    if training.ema_momentum:
        optimizer.use_ema, optimizer.ema_momentum = True, training.ema_momentum


def weigh_classes(training: Training, images: LabelledImages) -> Mapping[int, float] | None:
    """Return the weight of each class in the loss, by its index; None where all count alike.

    Raises:
        TrainingRuleError: There is not one number for each class, or a number for one that is not there.
    """
    asked, n_classes = training.class_weights, len(images.class_names)
    if asked == "none":
        return None
    if asked == "balanced":
        counts = np.bincount(images.labels, minlength=n_classes)
        # A class without an image has no part in the loss.
        return {index: len(images) / (n_classes * count) for index, count in enumerate(counts.tolist()) if count}
    if isinstance(asked, Mapping):
        if unknown := sorted(set(asked) - set(images.class_names)):
            raise TrainingRuleError(
                f"Received a weight in training.class_weights for {unknown[0]!r}, which is no class."
                f"{did_you_mean(unknown[0], images.class_names)} Expected some of {', '.join(images.class_names)}."
            )
        return {index: asked.get(name, 1.0) for index, name in enumerate(images.class_names)}
    if len(asked) != n_classes:
        raise TrainingRuleError(
            f"Received {len(asked)} numbers in training.class_weights for {n_classes} classes. "
            f"Expected one for each class, in the order {', '.join(images.class_names)}."
        )
    return dict(enumerate(map(float, asked)))


@contextmanager
def averaged_weights(model: keras.Model, training: Training) -> Iterator[None]:
    """In the block, let the model have the average of its weights, where the rules ask for one."""
    if not training.ema_momentum:
        yield
        return
    optimizer = _inner(model.optimizer)
    own = optimizer._trainable_variables  # noqa: SLF001 - Keras has no public way to the pairs of weight and average
    averages = optimizer._model_variables_moving_average  # noqa: SLF001 - as above
    before = [read_variable(variable) for variable in own]
    for variable, average in zip(own, averages, strict=True):
        variable.assign(read_variable(average))
    try:
        yield
    finally:
        for variable, value in zip(own, before, strict=True):
            variable.assign(value)


class AverageMeasurer(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """Lets Keras' own loop validate the average of the weights.

    Keras' `SwapEMAWeights` does so by additions, which change the weights by their rounding.
    """

    def __init__(self, training: Training) -> None:
        super().__init__()
        self._training = training

    def on_test_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Put the average in place."""
        del logs
        self._block = averaged_weights(self.model, self._training)
        self._block.__enter__()

    def on_test_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Put the weights back."""
        del logs
        self._block.__exit__(None, None, None)


class EarlyStopping:
    """Says when a run should stop, and holds the weights of its best epoch: Keras' `EarlyStopping`, with a state."""

    def __init__(self, training: Training) -> None:
        self._training, self._best, self._wait = training, -math.inf, 0
        #: From 1; 0 before any epoch has a score.
        self.best_epoch = 0
        #: Those of `model.weights`, the average in place of the weights where there is one.
        self.best_weights: tuple[NDArray[Any], ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether as many epochs in a row were no better as the rule allows."""
        return self._wait >= self._training.early_stopping

    def observe(self, epoch: int, utility: float, model: keras.Model | None = None) -> None:
        """Learn how good an epoch was.

        Args:
            epoch: From 1.
            utility: More is better.
            model: With the weights of the epoch; None where the best weights are known from a checkpoint.
        """
        if utility <= self._best:
            self._wait += 1
            return
        self._best, self._wait, self.best_epoch = utility, 0, epoch
        if model is not None:
            with averaged_weights(model, self._training):
                self.best_weights = tuple(read_variable(weight) for weight in model.weights)

    def restore_best(self, model: keras.Model) -> None:
        """Give the model the weights of the best epoch."""
        for weight, value in zip(model.weights, self.best_weights, strict=True):
            weight.assign(value)


def _inner(optimizer: Any) -> Any:
    """Return the optimizer that loss scaling, which mixed_float16 brings, wraps."""
    return getattr(optimizer, "inner_optimizer", optimizer)
