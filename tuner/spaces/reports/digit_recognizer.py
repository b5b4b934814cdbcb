"""Kim, Kim and Yun, "Kaggle - Digit Recognizer": two blocks of LeakyReLU convolutions, and ten sigmoids at the end.

The report has no summary of the net, and shows neither optimizer nor loss: Adam at Keras' rate is assumed, and the
cross-entropy of class indices, which is what its labels are. In the Keras of its time this loss divides ten sigmoids by
their sum. Keras 3 on TensorFlow trains a softmax of what the sigmoids were computed from: after 20 epochs several are 1
in float32 for one image, and the first of them is the answer (97.41 % of MNIST's test images, while the loss still
fell). `Rescaling(1.0)` hides from the loss what they were computed from. "60,000
samples" are Kaggle's 42,000.

Its 99.32 % is of 8,400 images, half of which the net was trained on: the log has 148 steps of 256 images, which are
37,800 of the 42,000. The honest figure is the log's last, 98.86 % of the other 4,200.
"""

from collections.abc import Mapping

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces.reports.layers import convolve, halve
from tuner.spaces.reports.training import PARAMETERS, Recipe, ask, compile_model, make_optimizer


def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build two blocks of 32 and 64 filters, then 256-32-10."""
    output = ask(hp, "output", ("sigmoid", "softmax"), default="sigmoid")

    x = inputs = keras.Input(images.shape)
    for filters in (32, 64):
        for _ in range(2):
            # Keras' default slope.
            x = keras.layers.LeakyReLU(negative_slope=0.3)(convolve(x, filters, 3))
        x = keras.layers.Dropout(0.25)(halve(x))
    x = keras.layers.Flatten()(x)
    for units in (256, 32):
        x = keras.layers.Dense(units, activation="relu")(x)
    outputs = keras.layers.Dense(images.n_classes, activation=output)(x)
    if output == "sigmoid":
        outputs = keras.layers.Rescaling(1.0)(outputs)
    model = keras.Model(inputs, outputs, name="digit_recognizer_cnn")

    hp.Fixed("batch_size", 256)
    optimizer = make_optimizer(hp.Fixed("optimizer", "adam"), hp.Fixed("learning_rate", 0.001))
    return compile_model(model, optimizer, hp.Fixed("loss", "sparse_categorical_crossentropy"))


#: By the names of `tuner.spaces.registry`.
RECIPES: Mapping[str, Recipe] = {
    "digit-recognizer-cnn": Recipe(
        build=build,
        parameters={
            "output": "The last layer: ten sigmoids, as the report has them, or softmax, which trains probabilities.",
            **PARAMETERS,
        },
    )
}
