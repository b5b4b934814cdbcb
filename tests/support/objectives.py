"""Objectives for tests: the one that studies have, and one of which less is better."""

from tuner.objectives import OBJECTIVES, Objective

ACCURACY = OBJECTIVES["val_accuracy"]
#: As an entry of the table would be.
LOSS = Objective(
    name="val_loss",
    direction="minimize",
    label="validation loss",
    written_as="number",
    advice="Train with validation images",
)
