"""What a training run has done so far."""

from collections.abc import Mapping
from dataclasses import dataclass

#: Names under which Keras reports accuracy, by how the model was compiled.
ACCURACY_NAMES = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy")


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One epoch of a training run; `None` where nothing was measured."""

    #: From 1.
    epoch: int
    loss: float | None
    #: In [0, 1], running over the epoch's batches while the weights change, as Keras reports it.
    accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    #: Of the epoch's last step.
    learning_rate: float | None
    #: Training and validation, without checkpoint and `on_epoch`.
    duration_s: float | None


@dataclass(frozen=True, kw_only=True)
class TrainingHistory:
    """A finished training run."""

    #: Epochs taken over from a checkpoint; 0 for an undisturbed run.
    resumed_from: int
    #: One for each epoch of the plan, the restored ones included.
    epochs: tuple[EpochResult, ...]
    #: Whether every epoch saw the images changed as the plan's augmentation asks; False without one.
    augmented: bool = False


def epoch_result(
    logs: Mapping[str, float], *, epoch: int, learning_rate: float | None, duration_s: float
) -> EpochResult:
    """Pick an epoch's result out of Keras' logs (`loss`, `accuracy`, `val_loss` …)."""
    return EpochResult(
        epoch=epoch,
        loss=_first(logs, ("loss",)),
        accuracy=_first(logs, ACCURACY_NAMES),
        val_loss=_first(logs, ("val_loss",)),
        val_accuracy=_first(logs, tuple(f"val_{name}" for name in ACCURACY_NAMES)),
        learning_rate=learning_rate,
        duration_s=duration_s,
    )


def _first(logs: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((float(logs[name]) for name in names if name in logs), None)
