"""What a training run is given beside its images: the model, the plan, and who is told of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras

from tuner.epochs import Epoch
from tuner.training.callbacks import RunCallbacks
from tuner.training.checkpoint import Checkpoint
from tuner.training.initial_weights import InitialWeights
from tuner.training.plan import TrainingPlan
from tuner.training.scoring import Scorings

OnEpoch = Callable[[Epoch], None]
#: Called with a sentence about what was done in another way than people may expect.
OnNote = Callable[[str], None]
#: How good an epoch was: more is better.
Utility = Callable[[Epoch], float]


def ignore_note(sentence: str) -> None:
    """Leave the sentence to the log."""


def accuracy_or_worst(epoch: Epoch) -> float:
    """Return the epoch's validation accuracy; minus infinity where there is none."""
    return -math.inf if epoch.val_accuracy is None else epoch.val_accuracy


@dataclass(frozen=True, kw_only=True, eq=False)
class RunRequest:
    """One run; see `train.train` for what its parts are."""

    model: keras.Model
    plan: TrainingPlan
    on_epoch: OnEpoch
    on_note: OnNote = ignore_note
    checkpoint: Checkpoint | None = None
    utility: Utility = accuracy_or_worst
    scoring: Scorings | None = None
    initial: InitialWeights | None = None
    callbacks: RunCallbacks | None = None
