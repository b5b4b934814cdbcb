"""Models and a run that the tests of this folder share."""

import json
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
from tuner.training.annealing import Annealing
from tuner.training.augmentation import Augmentation
from tuner.training.checkpoint import Checkpoint
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.run import train
from tuner.training.session import seed_everything
from tuner.training.variables import read_variable

RESUME_PLAN = TrainingPlan(
    epochs=4,
    batch_size=32,
    seed=3,
    augmentation=Augmentation(
        rotation=10,
        zoom=0.1,
        shift=0.1,
        shear=0.1,
        elastic=0.05,
        brightness=0.1,
        contrast=0.1,
        cutout=0.3,
        mixup=0.2,
        cutmix=1.0,
    ),
    annealing=Annealing(rule="plateau", monitor="loss", patience=1, factor=0.5, min_delta=0.5),
)


def build_cnn(
    *, optimizer: Any = "adam", loss: Any = "sparse_categorical_crossentropy", dropout: float = 0.0, cls: Any = None
) -> keras.Model:
    inputs = layers.Input((8, 8, 1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(inputs)))
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    model = (cls or keras.Model)(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def build_mlp(*hidden: keras.Layer, **compile_arguments: Any) -> keras.Model:
    stack = [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(16, activation="relu"), *hidden]
    model = keras.Sequential([*stack, layers.Dense(10, activation="softmax")])
    model.compile(
        **{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **compile_arguments}
    )
    return model


def random_images(n: int = 150, *, seed: int = 0) -> LabelledImages:
    rng = np.random.default_rng(seed)
    return LabelledImages(
        images=rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8),
        labels=rng.integers(0, 10, n),
        class_names=tuple("0123456789"),
    )


def run_resumable(folder: str, *, die_after: int | None = None, final_state: list[Any] | None = None) -> list[Any]:
    """Train `RESUME_PLAN` with a checkpoint; return the results as JSON values without durations."""

    def on_epoch(result: Epoch) -> None:
        if result.epoch == die_after:
            os._exit(9)

    seed_everything(5)
    model = build_cnn(dropout=0.3, optimizer=keras.optimizers.Adam(0.01))
    data = TrainingData(train=random_images(), validation=random_images(50, seed=1))
    checkpoint = Checkpoint(ArtifactStore(folder), "run")
    history = train(model, data, RESUME_PLAN, on_epoch=on_epoch, checkpoint=checkpoint)
    if final_state is not None:
        final_state += [read_variable(variable) for variable in (*model.variables, *model.optimizer.variables)]
    return [{**asdict(result), "duration_s": None} for result in history.epochs]


if __name__ == "__main__":
    state: list[Any] = []
    results = run_resumable(sys.argv[1], die_after=int(sys.argv[2]) or None, final_state=state)
    np.savez(sys.argv[3], *state, allow_pickle=False)
    sys.stdout.write(json.dumps(results))
