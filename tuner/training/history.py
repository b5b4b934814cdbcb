"""What a training run has done, read out of Keras' logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.epochs import Epoch
from tuner.errors import TunerError


@dataclass(frozen=True, kw_only=True)
class TrainingHistory:
    """A finished training run."""

    #: Epochs taken over from a checkpoint; 0 for an uninterrupted run.
    resumed_from: int
    #: One for each epoch of the plan, the restored ones included.
    epochs: tuple[Epoch, ...]
    #: Whether every epoch saw augmented images; False where the plan has no augmentation.
    augmented: bool = False
    #: What the last epoch's logs held, by name.
    measured: tuple[str, ...] = ()
    #: The epoch whose weights the model has, from 1; None: the last one's.
    restored_epoch: int | None = None


def read_epoch(
    logs: Mapping[str, float],
    *,
    epoch: int,
    learning_rate: float | None,
    duration_s: float,
    accuracy_names: Sequence[str],
    score: float | None = None,
    others: Mapping[str, float | None] | None = None,
    images: int | None = None,
) -> Epoch:
    """Return the epoch that Keras' logs tell of.

    Args:
        logs: `loss`, `val_loss` and whatever the model measures.
        epoch: From 1.
        learning_rate: Of the epoch's last step.
        duration_s: Of training and validation.
        accuracy_names: Names that the accuracy may have in the logs; the first that is there counts, see `accuracy`.
        score: What the objective is, where it is none of the logs' losses and accuracies.
        others: The same of the objectives beside it.
        images: Training images that it showed; None: all of them.
    """
    return Epoch(
        epoch=epoch,
        loss=_first(logs, ("loss",)),
        accuracy=_first(logs, accuracy_names),
        val_loss=_first(logs, ("val_loss",)),
        val_accuracy=_first(logs, [f"val_{name}" for name in accuracy_names]),
        learning_rate=learning_rate,
        duration_s=duration_s,
        score=score,
        images=images,
        others=others,
    )


def _first(logs: Mapping[str, float], names: Sequence[str]) -> float | None:
    return next((float(logs[name]) for name in names if name in logs), None)


class UnequalEpochsError(TunerError):
    """A HyperModel's own `fit` returned metrics that cannot be assigned to epochs."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        received = ", ".join(f"{name} ({length})" for name, length in lengths.items())
        super().__init__(
            f"The HyperModel's fit returned metrics of different lengths: {received}. Expected one entry for each "
            "epoch: validate after every epoch, without validation_freq, or pass the callbacks on to model.fit."
        )


def returned_logs(returned: Any) -> list[dict[str, float]]:
    """Return each epoch's logs out of what a HyperModel's own `fit` returned, as KerasTuner takes it.

    A `History` has one entry for each epoch, and a dictionary of metrics is one epoch. Anything else is none, a bare
    number too: it may be a loss or an accuracy. What is no number is left out.

    Raises:
        UnequalEpochsError: The metrics have different numbers of entries.
    """
    metrics = getattr(returned, "history", returned)
    if not isinstance(metrics, Mapping):
        return []
    read = {str(name): _numbers(value) for name, value in metrics.items()}
    values = {name: numbers for name, numbers in read.items() if numbers is not None}
    lengths = {name: len(numbers) for name, numbers in values.items()}
    if len(set(lengths.values())) > 1:
        raise UnequalEpochsError(lengths)
    n_epochs = max(lengths.values(), default=0)
    return [{name: numbers[epoch] for name, numbers in values.items()} for epoch in range(n_epochs)]


def _numbers(value: Any) -> list[float] | None:
    try:
        return [float(each) for each in (value if isinstance(value, list | tuple | np.ndarray) else [value])]
    except (TypeError, ValueError):
        return None
