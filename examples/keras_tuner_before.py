"""Search for a dense net for scikit-learn's digits, and test it."""

import keras
import keras_tuner
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

digits = load_digits()
x_train, x_test, y_train, y_test = train_test_split(digits.images[..., None] / 16, digits.target, random_state=0)


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Return a dense net for 8x8 pictures."""
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(hp.Choice("units", [16, 32]), activation="relu"))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(0.25))
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


search = keras_tuner.RandomSearch(build, objective="val_accuracy", max_trials=3)
search.search(x_train, y_train, epochs=3, validation_split=0.1)
model = search.get_best_models()[0]

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Test accuracy {accuracy:.1%}")
