"""A multi-layer perceptron: all pixels in one row, then hidden dense layers of equal width.

The defaults (669,706 weights for MNIST) reached 98.17 % of 6,000 validation images in 10 epochs of 54,000 without
augmentation, at 4 CPU seconds an epoch (2 cores, one seed).
"""

from collections.abc import Mapping

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces import activations, compile_settings
from tuner.spaces.dense import DenseLayers

#: The purpose of each hyperparameter.
PARAMETERS: Mapping[str, str] = {
    "hidden_layers": "Dense layers between the pixels and the class probabilities.",
    "units": "Neurons of each hidden layer.",
    "dropout": "Share of each hidden layer's outputs that is set to zero in training.",
    "batch_normalization": "Normalize each hidden layer's outputs before the activation.",
    **activations.PARAMETERS,
    **compile_settings.PARAMETERS,
}


def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build and compile one perceptron; its input is float32, shape (batch, height, width, channels), in [0, 1]."""
    hidden = DenseLayers(
        layers=hp.Int("hidden_layers", 1, 4, default=2),
        units=hp.Int("units", 10, 1024, sampling="log", default=512),
        activation=activations.choose_activation(hp),
        batch_normalization=hp.Boolean("batch_normalization", default=False),
        dropout=hp.Float("dropout", 0.0, 0.6, step=0.1, default=0.2),
    )
    inputs = keras.Input(images.shape)
    x = hidden(keras.layers.Flatten()(inputs))
    outputs = keras.layers.Dense(images.n_classes, activation="softmax")(x)
    return compile_settings.compile_classifier(keras.Model(inputs, outputs, name="mlp"), hp)
