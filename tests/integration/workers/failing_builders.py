"""Builders of which each fails in its own way, all tiny."""

import os
import time
from typing import Any

import keras
import tensorflow as tf


def _net(loss: Any = "sparse_categorical_crossentropy", *extra: keras.layers.Layer) -> keras.Model:
    layers = [keras.layers.Flatten(), *extra, keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.01), loss, metrics=["accuracy"])
    return model


class InEpoch(keras.Model):
    """Does something in the epoch of that number, by overriding `train_step`, which Keras' own loop then calls."""

    def __init__(self, epoch: int, deed: Any) -> None:
        super().__init__()
        self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")
        self.epoch, self.deed, self.steps = epoch, deed, 0

    def call(self, inputs: Any) -> Any:
        return self.dense(self.flatten(inputs))

    def train_step(self, data: Any) -> Any:
        # 100 images in batches of 64: two steps an epoch.
        self.steps += 1
        if self.steps > 2 * (self.epoch - 1):
            self.deed()
        return super().train_step(data)


def _doing(epoch: int, deed: Any) -> keras.Model:
    model = InEpoch(epoch, deed)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


def healthy(_hp: Any) -> keras.Model:
    # Its checkpoint has 30 kB.
    return _net("sparse_categorical_crossentropy", keras.layers.Dense(100))


def no_accuracy(_hp: Any) -> keras.Model:
    model = _net()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[keras.metrics.SparseTopKCategoricalAccuracy(5)])
    return model


def memory_error(_hp: Any) -> keras.Model:
    raise MemoryError("no room for this net")


def backend_out_of_memory(_hp: Any) -> keras.Model:
    def exhaust() -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[99999,99999]")

    return _doing(1, exhaust)


def nan_loss(_hp: Any) -> keras.Model:
    return _net(lambda _truth, guess: keras.ops.mean(guess) * float("nan"))


def exception_in_build(_hp: Any) -> keras.Model:
    raise ValueError("no such layer")


def exception_in_epoch_3(_hp: Any) -> keras.Model:
    def fail() -> None:
        raise RuntimeError("broken in epoch 3")

    return _doing(3, fail)


def exit_in_first_epoch(_hp: Any) -> keras.Model:
    return _doing(1, lambda: os._exit(9))


def exit_in_second_epoch(_hp: Any) -> keras.Model:
    """The second of each process."""
    return _doing(2, lambda: os._exit(9))


def lost_device(_hp: Any) -> keras.Model:
    """Lost in the second epoch of each process."""

    def lose() -> None:
        raise tf.errors.InternalError(None, None, "Failed to synchronize: CUDA_ERROR_ILLEGAL_ADDRESS: illegal access")

    return _doing(2, lose)


def endless_second_epoch(_hp: Any) -> keras.Model:
    return _doing(2, lambda: time.sleep(3600))


def slow_epochs(_hp: Any) -> keras.Model:
    """Take at least 1.2 seconds for each."""
    return _doing(1, lambda: time.sleep(0.6))


def endless_epoch(_hp: Any) -> keras.Model:
    return _doing(1, lambda: time.sleep(3600))
