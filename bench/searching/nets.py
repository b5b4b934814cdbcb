"""Two KerasTuner HyperModels as people write them; every side of the benchmark trains these very ones.

Their `fit` hands everything on to `model.fit` and adds a callback that logs each epoch to the file `BENCH_LOG`.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras import layers

EPOCHS = 10


class EpochLog(keras.callbacks.Callback):
    """Appends a line for each training that begins and each epoch that ends, with the time of day in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._path = Path(os.environ["BENCH_LOG"])

    def on_train_begin(self, logs: Any = None) -> None:
        del logs
        self._append(event="trial")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._append(event="epoch", epoch=epoch + 1, val_accuracy=float(logs["val_accuracy"]))

    def _append(self, **line: Any) -> None:
        # One write of a short line, so that those of several processes do not mix.
        with self._path.open("a") as file:
            file.write(json.dumps({"at": time.time(), "pid": os.getpid(), **line}) + "\n")


class Net(keras_tuner.HyperModel):
    """Batch size, optimizer and learning rate, and how both nets are trained."""

    def compile(self, hp: keras_tuner.HyperParameters, stack: list[layers.Layer]) -> keras.Model:
        model = keras.Sequential([layers.Input((28, 28, 1)), *stack, layers.Dense(10, activation="softmax")])
        optimizer = keras.optimizers.get(hp.Choice("optimizer", ["sgd", "rmsprop", "adam"]))
        optimizer.learning_rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        hp.Choice("batch_size", [32, 64, 128])
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        callbacks = [*kwargs.pop("callbacks", []), EpochLog()]
        return model.fit(*args, batch_size=hp.get("batch_size"), callbacks=callbacks, **kwargs)


class Mlp(Net):
    """One to three dense layers of 64 to 512 units."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        units = hp.Int("units", 64, 512, step=64)
        hidden = [layers.Dense(units, activation="relu") for _ in range(hp.Int("layers", 1, 3))]
        return self.compile(hp, [layers.Flatten(), *hidden])


class Cnn(Net):
    """One to three blocks of convolution and pooling, of 8 to 32 filters, and a dense layer."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        filters = hp.Int("filters", 8, 32, step=8)
        blocks: list[layers.Layer] = []
        for _ in range(hp.Int("blocks", 1, 3)):
            blocks += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
        return self.compile(hp, [*blocks, layers.Flatten(), layers.Dense(128, activation="relu")])


class DigitRecognizer(Net):
    """The convolutional net of the report "digit-recognizer", 1,245,322 weights; nothing of it is searched."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        hp.Fixed("batch_size", 64)

        def convolve(filters: int, kernel: int) -> layers.Layer:
            return layers.Conv2D(filters, kernel, padding="same", activation="elu")

        stack = [layers.Input((28, 28, 1)), convolve(64, 7), layers.MaxPooling2D(), layers.BatchNormalization()]
        stack += [convolve(128, 5), convolve(128, 3), layers.MaxPooling2D(), layers.BatchNormalization()]
        stack += [convolve(256, 3), layers.MaxPooling2D(), layers.BatchNormalization(), layers.Flatten()]
        model = keras.Sequential([*stack, layers.Dense(256, activation="elu"), layers.Dense(10, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


NETS: dict[str, type[Net]] = {"mlp": Mlp, "cnn": Cnn, "digit-recognizer": DigitRecognizer}
