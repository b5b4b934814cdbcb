"""One configuration, built and trained: what search trials, confirmations and retrainings have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import keras_tuner

from tuner.errors import TunerError
from tuner.spaces.space import Space
from tuner.training.annealing import Annealing
from tuner.training.augmentation import Augmentation
from tuner.training.checkpoint import Checkpoint
from tuner.training.history import EpochResult
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.run import train
from tuner.training.session import seed_everything

OnEpoch = Callable[[EpochResult], None]


class BuilderError(TunerError):
    """The space's `build` raised; the cause is chained."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a configuration is trained, beside its hyperparameters."""

    epochs: int
    seed: int
    #: For spaces that do not search it.
    batch_size: int
    augmentation: Augmentation | None = None
    annealing: Annealing | None = None


def fit(
    space: Space,
    hyperparameters: keras_tuner.HyperParameters,
    data: TrainingData,
    schedule: Schedule,
    *,
    on_epoch: OnEpoch,
    checkpoint: Checkpoint | None = None,
) -> tuple[keras.Model, tuple[EpochResult, ...]]:
    """Build the model from the hyperparameters and train it; equal seeds give equal results.

    Returns:
        The trained model, and every epoch's result, those before a resumption included.

    Raises:
        BuilderError: `build` raised.
        NanLossError: The loss is no number any more.
    """
    seed_everything(schedule.seed)
    try:
        model = space.build(hyperparameters, data.train.image_format)
    except (MemoryError, TunerError):
        raise
    except Exception as error:
        raise BuilderError(f"{type(error).__name__} in the builder of {space.name}: {error}") from error
    if checkpoint is not None:
        checkpoint.narrow(hyperparameters.values)
    history = train(
        model,
        data,
        TrainingPlan(
            epochs=schedule.epochs,
            batch_size=int(hyperparameters.values.get("batch_size", schedule.batch_size)),
            seed=schedule.seed,
            augmentation=schedule.augmentation,
            annealing=schedule.annealing,
        ),
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        hypermodel_fit=space.fit,
        hyperparameters=hyperparameters,
    )
    return model, history.epochs


def scored_outcome(state: str, epochs: Sequence[EpochResult], hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a slot stores of a search trial or a confirmation: the best validation accuracy and its epoch."""
    scored = [epoch for epoch in epochs if epoch.val_accuracy is not None]
    best = max(scored, key=lambda epoch: (epoch.val_accuracy, -epoch.epoch), default=None)
    return {
        "state": state,
        "score": best.val_accuracy if best else None,
        "best_epoch": best.epoch if best else None,
        "hyperparameters": dict(hyperparameters),
        "curve": [asdict(epoch) for epoch in epochs],
    }
