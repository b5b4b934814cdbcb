"""HyperModels with a `fit` of their own, as KerasTuner's guides and people's notebooks have them."""

# ruff: noqa: ARG002, ARG005, PLR0917 - the signatures are KerasTuner's and Keras'

from typing import Any

import keras
import keras_tuner
import numpy as np
from keras import layers

HP = keras_tuner.HyperParameters
SHAPE = (8, 8, 1)
CLASSES = 10


class _Net(keras_tuner.HyperModel):
    loss: Any = "sparse_categorical_crossentropy"

    def build(self, hp: HP) -> keras.Model:
        hidden = layers.Dense(hp.Int("units", 32, 64, step=32), "relu")
        model = keras.Sequential(
            [keras.Input(SHAPE), layers.Flatten(), hidden, layers.Dense(CLASSES, "softmax", name="answer")]
        )
        model.compile(keras.optimizers.Adam(0.01), self.loss, metrics=["accuracy"])
        return model


class HandsOn(_Net):
    def fit(self, hp: HP, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch", [16, 32]), **kwargs)


class StopsEarly(_Net):
    def fit(self, hp: HP, model: keras.Model, *args: Any, callbacks: Any = (), **kwargs: Any) -> Any:
        stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=5, restore_best_weights=True)
        return model.fit(*args, callbacks=[*callbacks, stopping], **kwargs)


class UnpacksValidation(_Net):
    def fit(self, hp: HP, model: keras.Model, x: Any, y: Any, validation_data: Any, **kwargs: Any) -> Any:
        x_val, y_val = validation_data
        return model.fit(x, y, validation_data=(x_val, y_val), **kwargs)


class EvaluatesValidation(_Net):
    def fit(self, hp: HP, model: keras.Model, x: Any, y: Any, validation_data: Any, **kwargs: Any) -> Any:
        history = model.fit(x, y, validation_data=validation_data, **kwargs)
        model.evaluate(*validation_data, verbose=0)
        return history


class TensorFlowData(_Net):
    def fit(self, hp: HP, model: keras.Model, x: Any, y: Any, validation_data: Any, **kwargs: Any) -> Any:
        import tensorflow as tf

        kwargs.pop("batch_size", None)
        train = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(500, seed=1).batch(32)
        validation = tf.data.Dataset.from_tensor_slices(validation_data).batch(32)
        return model.fit(train, validation_data=validation, **kwargs)


class OneHotItself(_Net):
    loss = keras.losses.CategoricalCrossentropy()

    def fit(self, hp: HP, model: keras.Model, x: Any, y: Any, validation_data: Any, **kwargs: Any) -> Any:
        def encode(labels: Any) -> Any:
            return keras.utils.to_categorical(labels, CLASSES) if np.ndim(labels) == 1 else labels

        x_val, y_val = validation_data
        return model.fit(x, encode(y), validation_data=(x_val, encode(y_val)), **kwargs)


class Standardizes(_Net):
    """Standardizes within the model, so that test images are standardized as well."""

    def build(self, hp: HP) -> keras.Model:
        units = hp.Int("units", 32, 64, step=32)
        model = keras.Sequential(
            [
                keras.Input(SHAPE),
                layers.Normalization(axis=None, name="standardize"),
                layers.Flatten(),
                layers.Dense(units, "relu"),
                layers.Dense(CLASSES, "softmax"),
            ]
        )
        model.compile(keras.optimizers.Adam(0.01), self.loss, metrics=["accuracy"])
        return model

    def fit(self, hp: HP, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
        model.get_layer("standardize").adapt(np.asarray(x))
        return model.fit(x, y, **kwargs)


class OwnLoop(_Net):
    """A loop over epochs that calls the callbacks itself, as in KerasTuner's guide."""

    def fit(
        self, hp: HP, model: keras.Model, x: Any, y: Any, validation_data: Any, callbacks: Any = (), **kwargs: Any
    ) -> Any:
        callback_list = keras.callbacks.CallbackList(callbacks, model=model)
        x_val, y_val = validation_data
        best = 0.0
        for epoch in range(kwargs["epochs"]):
            callback_list.on_epoch_begin(epoch)
            for start in range(0, len(x), 32):
                model.train_on_batch(x[start : start + 32], y[start : start + 32])
            loss, accuracy = model.evaluate(x_val, y_val, verbose=0)
            callback_list.on_epoch_end(epoch, {"val_loss": loss, "val_accuracy": accuracy})
            best = max(best, accuracy)
        return best


class FreezesThenThaws(_Net):
    def fit(self, hp: HP, model: keras.Model, x: Any, y: Any, epochs: int, **kwargs: Any) -> Any:
        model.get_layer("answer").trainable = False
        model.compile(keras.optimizers.Adam(0.01), self.loss, metrics=["accuracy"])
        model.fit(x, y, epochs=1, **kwargs)
        model.get_layer("answer").trainable = True
        model.compile(keras.optimizers.Adam(0.01), self.loss, metrics=["accuracy"])
        return model.fit(x, y, epochs=epochs, initial_epoch=1, **kwargs)


class WatchesSteps(_Net):
    """A callback on steps, which keeps Keras' own loop."""

    def fit(self, hp: HP, model: keras.Model, *args: Any, callbacks: Any = (), **kwargs: Any) -> Any:
        seen: list[int] = []
        watching = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
        return model.fit(*args, callbacks=[*callbacks, watching], **kwargs)


class SavesTheBest(_Net):
    def fit(self, hp: HP, model: keras.Model, *args: Any, callbacks: Any = (), **kwargs: Any) -> Any:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            saving = keras.callbacks.ModelCheckpoint(
                f"{folder}/best.weights.h5", monitor="val_accuracy", save_best_only=True, save_weights_only=True
            )
            return model.fit(*args, callbacks=[*callbacks, saving], **kwargs)
