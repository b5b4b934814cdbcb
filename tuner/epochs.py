"""One epoch of a training run: `training` measures it, `studies` stores it and `report` draws it.

And how far a job is that trains a model for each of several folds.
"""

from collections.abc import Mapping
from dataclasses import dataclass


# Slots, because a large study holds hundreds of thousands of epochs.
@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What one epoch measured; a value that was not measured is None, such as validation without a validation set.

    A slot's outcome and a checkpoint store it as JSON under these names.
    """

    #: Counted from 1.
    epoch: int
    loss: float | None
    #: In [0, 1]; the mean over the epoch's batches while the weights change, as Keras reports it.
    accuracy: float | None
    val_loss: float | None
    #: In [0, 1].
    val_accuracy: float | None
    #: Of the epoch's last step.
    learning_rate: float | None = None
    #: Time of training and validation, without checkpoint and `on_epoch`.
    duration_s: float | None = None
    #: What the study's objective is on the validation images, where it is none of the values above.
    score: float | None = None
    #: Training images that it showed; None: all of them.
    images: int | None = None
    #: What the objectives beside the study's leading one are, where they are none of the values above, by their names;
    #: None in a study without such.
    others: Mapping[str, float | None] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldProgress:
    """How far a cross-validation is: told after each epoch and, with a score, when a fold is over."""

    #: The fold that is trained, from 1.
    fold: int
    #: Epochs so far, those of all folds together.
    n_epochs: int
    #: The mean over the folds so far; None while this one is trained.
    score: float | None = None
