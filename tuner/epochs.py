"""One epoch of a training run: what `training` measures, `studies` stores and `report` draws."""

from dataclasses import dataclass


# Slots, because a large study holds hundreds of thousands.
@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What one epoch measured; `None` where nothing was, such as validation without a validation set.

    A slot's outcome and a checkpoint hold it as JSON under these names.
    """

    #: From 1.
    epoch: int
    loss: float | None
    #: In [0, 1], running over the epoch's batches while the weights change, as Keras reports it.
    accuracy: float | None
    val_loss: float | None
    #: In [0, 1].
    val_accuracy: float | None
    #: Of the epoch's last step.
    learning_rate: float | None = None
    #: Training and validation, without checkpoint and `on_epoch`.
    duration_s: float | None = None
