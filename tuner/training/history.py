"""What a training run has done so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.epochs import Epoch


@dataclass(frozen=True, kw_only=True)
class TrainingHistory:
    """A finished training run."""

    #: Epochs taken over from a checkpoint; 0 for an undisturbed run.
    resumed_from: int
    #: One for each epoch of the plan, the restored ones included.
    epochs: tuple[Epoch, ...]
    #: Whether every epoch saw the images changed as the plan's augmentation asks; False without one.
    augmented: bool = False
    #: What the last epoch's logs held, by name.
    measured: tuple[str, ...] = ()


def epoch_result(
    logs: Mapping[str, float],
    *,
    epoch: int,
    learning_rate: float | None,
    duration_s: float,
    accuracy_names: Sequence[str],
) -> Epoch:
    """Pick an epoch's result out of Keras' logs.

    Args:
        logs: `loss`, `val_loss` and whatever the model measures.
        epoch: From 1.
        learning_rate: Of the epoch's last step.
        duration_s: Of training and validation.
        accuracy_names: What accuracy may be called in the logs, the first that is there counts; see `accuracy`.
    """
    return Epoch(
        epoch=epoch,
        loss=_first(logs, ("loss",)),
        accuracy=_first(logs, accuracy_names),
        val_loss=_first(logs, ("val_loss",)),
        val_accuracy=_first(logs, [f"val_{name}" for name in accuracy_names]),
        learning_rate=learning_rate,
        duration_s=duration_s,
    )


def _first(logs: Mapping[str, float], names: Sequence[str]) -> float | None:
    return next((float(logs[name]) for name in names if name in logs), None)


def returned_logs(returned: Any) -> list[dict[str, float]]:
    """Return each epoch's logs out of what a HyperModel's own `fit` returned, as KerasTuner takes it.

    A `History` has one entry an epoch, a dictionary of metrics is one epoch; anything else, a bare number among it, is
    none: nobody knows whether a number is to be large or small.
    """
    metrics = getattr(returned, "history", returned)
    if not isinstance(metrics, Mapping):
        return []
    values = {str(name): list(value) if isinstance(value, list | tuple) else [value] for name, value in metrics.items()}
    n_epochs = min(map(len, values.values()), default=0)
    return [{name: float(value[epoch]) for name, value in values.items()} for epoch in range(n_epochs)]
