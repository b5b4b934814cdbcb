"""Seconds per epoch: whole-epoch programs against Keras' `fit`, both in one run, in turns.

    python bench/epochs.py --quick                          one minute
    python bench/epochs.py --out bench/results/epochs.json

`fit` gets float32 arrays, or with augmentation Keras' own layers in `tf.data`, the usual way (left out without
TensorFlow). A side's first epoch, with tracing and compilation in it, is measured apart from the others; there is no
validation; the table shows medians. CPU seconds tell more than the clock on a machine that others use too. The backend
is `KERAS_BACKEND`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from machine import describe_machine

from tuner.datasets.images import LabelledImages
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.session import PROGRAMS, release_memory, seed_everything
from tuner.training.train import train
from tuner.training_settings import Augmentation

SHAPE, N_CLASSES, SEED = (28, 28, 1), 10, 0
AUGMENTATION = Augmentation.only(rotation=10, zoom=0.1, shift=0.1)


def build_mlp() -> keras.Model:
    """784-100-100-10."""
    hidden = [layers.Dense(100, activation="relu") for _ in range(2)]
    return _compile(keras.Sequential([layers.Input(SHAPE), layers.Flatten(), *hidden, _head()]))


def build_cnn() -> keras.Model:
    """Two convolutions of 32 filters, two of 64, a dense layer of 256."""
    stack = [layers.Input(SHAPE)]
    for filters in (32, 64):
        stack += [layers.Conv2D(filters, 3, activation="relu", padding="same") for _ in range(2)]
        stack += [layers.MaxPooling2D()]
    return _compile(
        keras.Sequential([*stack, layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.3), _head()])
    )


def build_resnet() -> keras.Model:
    """Three residual blocks of 16, 32 and 64 filters with batch normalisation."""
    inputs = layers.Input(SHAPE)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(y)
        y = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(y)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        x = layers.Add()([layers.Conv2D(filters, 3, padding="same", use_bias=False)(y), shortcut])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    return _compile(keras.Model(inputs, _head()(x)))


BUILDERS: dict[str, Callable[[], keras.Model]] = {"mlp": build_mlp, "cnn": build_cnn, "resnet": build_resnet}


def _head() -> keras.layers.Layer:
    return layers.Dense(N_CLASSES, activation="softmax")


def _compile(model: keras.Model) -> keras.Model:
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Laps:
    """Seconds of each epoch: on the clock, and of this process on all cores. The first lap begins now."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.start_anew()

    def start_anew(self) -> None:
        """Let the next lap begin now."""
        self._last = time.perf_counter(), time.process_time()

    def end_epoch(self, *_: object) -> None:
        """End a lap."""
        now = time.perf_counter(), time.process_time()
        self.wall.append(now[0] - self._last[0])
        self.cpu.append(now[1] - self._last[1])
        self._last = now


def run_fit(model: keras.Model, data: LabelledImages, batch_size: int, *, augmented: bool, epochs: int) -> Laps:
    """Time the epochs of Keras' `fit`."""
    x, y = data.images.astype(np.float32) / 255, data.labels
    laps = Laps()
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=laps.end_epoch)]
    if augmented:
        import tensorflow as tf

        moves = [layers.RandomRotation(10 / 360), layers.RandomZoom(0.1), layers.RandomTranslation(0.1, 0.1)]
        augment = keras.Sequential([layers.Input(SHAPE), *moves])
        batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).batch(batch_size)
        batches = batches.map(lambda x, y: (augment(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
        batches = batches.prefetch(tf.data.AUTOTUNE)
        model.fit(batches, shuffle=False, epochs=1 + epochs, verbose=0, callbacks=callbacks)
    else:
        model.fit(x, y, batch_size=batch_size, epochs=1 + epochs, verbose=0, callbacks=callbacks)
    return laps


def run_programs(model: keras.Model, data: LabelledImages, batch_size: int, *, augmented: bool, epochs: int) -> Laps:
    """Time the epochs of our programs."""
    # The round before has trained this very shape; a first epoch is to have its own tracing in it.
    PROGRAMS.clear()
    laps, augmentation = Laps(), AUGMENTATION if augmented else None
    plan = TrainingPlan(epochs=1 + epochs, batch_size=batch_size, seed=SEED, augmentation=augmentation)
    train(model, TrainingData(train=data, validation=None), plan, on_epoch=laps.end_epoch)
    return laps


def measure(
    name: str, data: LabelledImages, batch_size: int, *, augmented: bool, epochs: int, rounds: int
) -> dict[str, Any]:
    """Time both sides in turns, so that a slow minute of the machine hits both."""
    row: dict[str, Any] = {
        "model": name,
        "batch_size": batch_size,
        "augmented": augmented,
        "images": len(data),
        "measured_epochs_per_round": epochs,
    }
    sides: dict[str, list[Laps]] = {"fit": [], "program": []}
    for _ in range(rounds):
        for side, run in (("fit", run_fit), ("program", run_programs)):
            seed_everything(SEED)
            sides[side].append(run(BUILDERS[name](), data, batch_size, augmented=augmented, epochs=epochs))
            release_memory()
    for kind in ("wall", "cpu"):
        for side, rounds_of_laps in sides.items():
            firsts = [getattr(laps, kind)[0] for laps in rounds_of_laps]
            seconds = [lap for laps in rounds_of_laps for lap in getattr(laps, kind)[1:]]
            row[f"{side}_{kind}_s"], row[f"{side}_{kind}_all_s"] = statistics.median(seconds), seconds
            row[f"{side}_{kind}_first_s"] = statistics.median(firsts)
        row[f"{kind}_ratio"] = row[f"fit_{kind}_s"] / row[f"program_{kind}_s"]
        row[f"{kind}_first_ratio"] = row[f"fit_{kind}_first_s"] / row[f"program_{kind}_first_s"]
    return row


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few images, one round: a look, no result")
    parser.add_argument("--models", nargs="+", choices=sorted(BUILDERS), default=list(BUILDERS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[32, 128, 512])
    parser.add_argument("--images", type=int, help="images an epoch; default 54,000 for mlp, 6,400 for the others")
    parser.add_argument("--epochs", type=int, help="measured epochs a round; default 9 for mlp, 3 for the others")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    rows = []
    print(f"{'model':8}{'batch':>6}{'augmented':>11}{'images':>8}", end="")
    print(f"{'fit s':>9}{'program s':>11}{'ratio':>8}{'of CPU':>8}", end="")
    print(f"{'first epochs: fit s':>21}{'program s':>11}{'ratio':>8}")
    for name in arguments.models:
        usual, usual_epochs = (54_000, 9) if name == "mlp" else (6_400, 3)
        epochs = 2 if arguments.quick else arguments.epochs or usual_epochs
        data = random_images(arguments.images or (usual // 4 if arguments.quick else usual))
        for batch_size in arguments.batch_sizes:
            for augmented in (False, True) if find_spec("tensorflow") else (False,):
                row = measure(name, data, batch_size, augmented=augmented, epochs=epochs, rounds=rounds)
                rows.append(row)
                print(f"{name:8}{batch_size:6}{augmented!s:>11}{row['images']:8}", end="")
                print(f"{row['fit_wall_s']:9.3f}{row['program_wall_s']:11.3f}{row['wall_ratio']:8.2f}", end="")
                print(
                    f"{row['cpu_ratio']:8.2f}{row['fit_wall_first_s']:21.3f}{row['program_wall_first_s']:11.3f}", end=""
                )
                print(f"{row['wall_first_ratio']:8.2f}", flush=True)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({**describe_conditions(rounds), "rows": rows}, indent=1) + "\n")


def random_images(n: int) -> LabelledImages:
    """Noise: the time of a step does not depend on what the pictures show."""
    rng = np.random.default_rng(SEED)
    return LabelledImages(
        images=rng.integers(0, 256, (n, *SHAPE), dtype=np.uint8),
        labels=rng.integers(0, N_CLASSES, n),
        class_names=tuple("0123456789"),
    )


def describe_conditions(rounds: int) -> dict[str, object]:
    """Say on what and with what was measured."""
    return {
        "machine": describe_machine(),
        "backend": keras.backend.backend(),
        "seed": SEED,
        "rounds": rounds,
    }


if __name__ == "__main__":
    main()
