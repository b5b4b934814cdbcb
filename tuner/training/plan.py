"""How one training run trains, and on what. Imports no Keras."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.training.image_parts import ImageParts
from tuner.training_settings import Annealing, Augmentation, Training

#: What a loss takes, see `targets`.
Labels = Literal["indices", "one-hot"]
#: As the setting `data.labels` has it.
LabelsChoice = Literal["auto", "indices", "one-hot"]


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How a model is trained; equal plans on equal models and data give equal curves on a CPU."""

    #: At least 1.
    epochs: int
    #: At least 1; the last batch of an epoch is smaller when it does not divide the number of images.
    batch_size: int
    #: Not negative; data order and augmentation come from (seed, epoch).
    seed: int
    #: False: the images in stored order in each epoch.
    shuffle: bool = True
    #: None: the images as they are.
    augmentation: Augmentation | None = None
    #: None: the model's own learning rate throughout.
    annealing: Annealing | None = None
    training: Training = field(default_factory=Training)
    #: Which part of the training images the first epochs show; None: all epochs show all.
    parts: ImageParts | None = None
    #: How many models one after another are trained by this plan on images of equal shapes, such as one for each fold.
    n_models: int = 1
    #: What the model is given; `train` settles `auto` before the first epoch, see `targets`.
    labels: LabelsChoice = "auto"
    #: A HyperModel's own `fit` is given the labels that the loss does not take, and converts them.
    hands_over_other_labels: bool = False

    @property
    def settled_labels(self) -> Labels:
        """What the model's loss is given."""
        if self.labels == "auto":
            raise ValueError("The labels are not settled. Expected a plan that `train` has taken.")
        return self.labels

    def __post_init__(self) -> None:
        for name, lowest in (("epochs", 1), ("batch_size", 1), ("seed", 0), ("n_models", 1)):
            if getattr(self, name) < lowest:
                raise ValueError(f"Received {name}={getattr(self, name)}. Expected {lowest} or more.")
        if self.annealing is not None and self.annealing.rule == "none":
            raise ValueError("Received annealing with the rule 'none'. Expected None.")
        if any(table is not None and table.ranges for table in (self.augmentation, self.annealing, self.training)):
            raise ValueError("Received a range. Expected tables whose ranges are settled, see `SearchableSection`.")


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The images to learn from, and those to measure on; never the test set."""

    train: LabelledImages
    #: None: nothing is measured after an epoch, as when finals train on all labelled images.
    validation: LabelledImages | None

    def __post_init__(self) -> None:
        if not len(self.train) or (self.validation is not None and not len(self.validation)):
            raise ValueError("Received an empty set of images. Expected at least one image in each set.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One model's own images, as rows of those of several models that are trained at once."""

    #: The same images.
    data: TrainingData
    #: int32, shape (n,).
    train_rows: NDArray[np.int32]
    validation_rows: NDArray[np.int32]
