"""Models of many kinds: subclasses, layers of one's own, recurrent nets, optimizers, precisions, training steps."""

from typing import Any

import keras
import keras_tuner
import numpy as np
from keras import layers, ops

HP = keras_tuner.HyperParameters
SHAPE = (8, 8, 1)
CLASSES = 10


def _compiled(model: keras.Model, **settings: Any) -> keras.Model:
    model.compile(
        **{
            "optimizer": keras.optimizers.Adam(0.01),
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            **settings,
        }
    )
    return model


def _units(hp: HP) -> int:
    return int(hp.Int("units", 32, 64, step=32))


def _stack(*stack: Any) -> keras.Model:
    return keras.Sequential([keras.Input(SHAPE), *stack])


def _head(hp: HP) -> tuple[Any, ...]:
    return layers.Flatten(), layers.Dense(_units(hp), "relu"), layers.Dense(CLASSES, "softmax")


# Subclasses.


class Subclass(keras.Model):
    """A model that is built when it is first called."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.flatten = layers.Flatten()
        self.hidden = layers.Dense(units, "relu")
        self.dropout = layers.Dropout(0.1)
        self.answer = layers.Dense(CLASSES, "softmax")

    def call(self, images: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002 - Keras' signature
        return self.answer(self.dropout(self.hidden(self.flatten(images)), training=training))


def subclass(hp: HP) -> keras.Model:
    return _compiled(Subclass(_units(hp)))


def subclass_built_by_call(hp: HP) -> keras.Model:
    model = Subclass(_units(hp))
    model(np.zeros((1, *SHAPE), "float32"))
    return _compiled(model)


def subclass_within_sequential(hp: HP) -> keras.Model:
    return _compiled(keras.Sequential([layers.Identity(), Subclass(_units(hp))]))


class WithBlocks(keras.Model):
    """Nested blocks with batch normalization."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.blocks = [keras.Sequential([layers.Dense(units), layers.BatchNormalization()]) for _ in range(2)]
        self.flatten = layers.Flatten()
        self.answer = layers.Dense(CLASSES, "softmax")

    def call(self, images: Any) -> Any:
        hidden = self.flatten(images)
        for block in self.blocks:
            hidden = ops.relu(block(hidden))
        return self.answer(hidden)


def subclass_with_blocks(hp: HP) -> keras.Model:
    return _compiled(WithBlocks(_units(hp)))


# Without `keras.Input`.


def sequential_without_input(hp: HP) -> keras.Model:
    return _compiled(keras.Sequential(list(_head(hp))))


def any_size(hp: HP) -> keras.Model:
    pool = layers.GlobalAveragePooling2D()
    inputs = keras.Input((None, None, 1))
    return _compiled(
        keras.Model(
            inputs, layers.Dense(CLASSES, "softmax")(pool(layers.Conv2D(_units(hp), 3, activation="relu")(inputs)))
        )
    )


# Layers.


def recurrent_over_rows(hp: HP) -> keras.Model:
    return _compiled(_stack(layers.Reshape((8, 8)), layers.LSTM(_units(hp)), layers.Dense(CLASSES, "softmax")))


def random_layers(hp: HP) -> keras.Model:
    return _compiled(_stack(layers.RandomRotation(0.02), layers.RandomTranslation(0.1, 0.1), *_head(hp)))


def normalization(hp: HP) -> keras.Model:
    adapted = layers.Normalization(axis=None, mean=0.3, variance=0.15)
    return _compiled(_stack(adapted, *_head(hp)))


class Gain(layers.Layer):
    """A layer of one's own, with a weight and a counter that is not trained."""

    def build(self, input_shape: Any) -> None:
        self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002 - Keras' signature
        if training:
            self.steps.assign_add(1.0)
        return inputs * self.gain


def layer_of_ones_own(hp: HP) -> keras.Model:
    return _compiled(_stack(Gain(), *_head(hp)))


def lambda_layer(hp: HP) -> keras.Model:
    return _compiled(_stack(layers.Lambda(lambda images: images * 2.0 - 1.0), *_head(hp)))


def convolutions_with_batch_normalization(hp: HP) -> keras.Model:
    block = (layers.Conv2D(8, 3, use_bias=False), layers.BatchNormalization(momentum=0.5), layers.ReLU())
    return _compiled(_stack(*block, *_head(hp)))


def weights_shared(hp: HP) -> keras.Model:
    inputs = keras.Input(SHAPE)
    shared = layers.Dense(64, "relu")
    hidden = shared(shared(layers.Flatten()(inputs)))
    hidden = layers.Dense(_units(hp), "relu")(hidden)
    return _compiled(keras.Model(inputs, layers.Dense(CLASSES, "softmax")(hidden)))


# Optimizers and ways to compile.


def learning_rate_schedule(hp: HP) -> keras.Model:
    schedule = keras.optimizers.schedules.CosineDecay(hp.Float("rate", 5e-3, 2e-2, sampling="log"), 200)
    return _compiled(_stack(*_head(hp)), optimizer=keras.optimizers.Adam(schedule))


def averaged_and_clipped(hp: HP) -> keras.Model:
    optimizer = keras.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.5, clipnorm=1.0, weight_decay=1e-4)
    return _compiled(_stack(*_head(hp)), optimizer=optimizer)


def eager(hp: HP) -> keras.Model:
    return _compiled(_stack(*_head(hp)), run_eagerly=True)


def several_steps_at_once(hp: HP) -> keras.Model:
    return _compiled(_stack(*_head(hp)), steps_per_execution=4)


def loss_scaling(hp: HP) -> keras.Model:
    return _compiled(_stack(*_head(hp)), optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)))


def mixed_precision_by_layers(hp: HP) -> keras.Model:
    hidden = layers.Dense(_units(hp), "relu", dtype="mixed_bfloat16")
    return _compiled(_stack(layers.Flatten(), hidden, layers.Dense(CLASSES, "softmax", dtype="float32")))


class CountsSteps(keras.Model):
    """A training step of one's own that hands on to Keras'."""

    def train_step(self, *arguments: Any, **settings: Any) -> Any:
        return super().train_step(*arguments, **settings)


def training_step_of_ones_own(hp: HP) -> keras.Model:
    inputs = keras.Input(SHAPE)
    hidden = layers.Dense(_units(hp), "relu")(layers.Flatten()(inputs))
    return _compiled(CountsSteps(inputs, layers.Dense(CLASSES, "softmax")(hidden)))


# Scaling.


def rescaled_to_minus_one(hp: HP) -> keras.Model:
    return _compiled(_stack(layers.Rescaling(2.0, offset=-1.0), *_head(hp)))
