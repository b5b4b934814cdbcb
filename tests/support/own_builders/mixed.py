"""A builder whose module sets Keras up when it is imported, as docs/running.md shows for mixed precision."""

import keras
import keras_tuner

keras.config.set_dtype_policy("mixed_bfloat16")
keras.config.set_epsilon(1e-5)


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    net = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(hp.Int("units", 4, 16, default=8))]
    model = keras.Sequential([*net, keras.layers.Dense(10, activation="softmax", dtype="float32")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
