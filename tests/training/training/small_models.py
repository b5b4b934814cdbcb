"""Models and a run that the tests of this folder share."""

import os
import sys
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import layers

from tuner.artifacts import ArtifactStore
from tuner.datasets.images import LabelledImages
from tuner.epochs import Epoch
from tuner.training.checkpoint import Checkpoint
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.session import seed_everything
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training_settings import Annealing, Augmentation

RESUME_PLAN = TrainingPlan(
    epochs=4,
    batch_size=32,
    seed=3,
    augmentation=Augmentation.only(rotation=10, elastic=0.05, mixup=0.2),
    annealing=Annealing(rule="plateau", monitor="loss", patience=1, factor=0.5, min_delta=0.5),
)


def build_cnn(
    *, optimizer: Any = "adam", loss: Any = "sparse_categorical_crossentropy", dropout: float = 0.0, cls: Any = None
) -> keras.Model:
    inputs = layers.Input((8, 8, 1), name="images")
    x = layers.Conv2D(4, 3, use_bias=False, name="convolution")(inputs)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="normalization")(x))
    x = layers.Dropout(dropout, name="dropout")(layers.Flatten(name="flatten")(x))
    # The names are always the same, so that equal nets share a program.
    model = (cls or keras.Model)(inputs, layers.Dense(10, activation="softmax", name="answer")(x), name="cnn")
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.optimizer.name = "optimizer"
    return model


def build_mlp(*hidden: keras.Layer, **compile_arguments: Any) -> keras.Model:
    first = [layers.Flatten(name="flatten"), layers.Dense(16, activation="relu", name="first")]
    answer = layers.Dense(10, activation="softmax", name="answer")
    model = keras.Sequential([layers.Input((8, 8, 1), name="images"), *first, *hidden, answer], name="mlp")
    model.compile(
        **{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **compile_arguments}
    )
    model.optimizer.name = "optimizer"
    return model


def random_images(n: int = 150, *, seed: int = 0) -> LabelledImages:
    rng = np.random.default_rng(seed)
    return LabelledImages(
        images=rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8),
        labels=rng.integers(0, 10, n),
        class_names=tuple("0123456789"),
    )


def run_resumable(folder: str, *, die_after: int | None = None, final_state: list[Any] | None = None) -> list[Any]:
    """Train `RESUME_PLAN` with a checkpoint; return the results as JSON values without durations.

    Args:
        folder: Where the checkpoint is; one that is there is resumed.
        die_after: End the process with status 9 after that epoch.
        final_state: Filled with what model and optimizer hold in the end.
    """

    def on_epoch(result: Epoch) -> None:
        if result.epoch == die_after:
            os._exit(9)

    seed_everything(5)
    model = build_cnn(dropout=0.3, optimizer=keras.optimizers.Adam(0.01))
    checkpoint = Checkpoint(ArtifactStore(folder), "run")
    history = train(model, _RESUMED_DATA, RESUME_PLAN, on_epoch=on_epoch, checkpoint=checkpoint)
    if final_state is not None:
        final_state += [read_variable(variable) for variable in (*model.variables, *model.optimizer.variables)]
    return [{**asdict(result), "duration_s": None} for result in history.epochs]


#: The same arrays each time, so that runs share a program.
_RESUMED_DATA = TrainingData(train=random_images(), validation=random_images(50, seed=1))


if __name__ == "__main__":
    run_resumable(sys.argv[1], die_after=2)
