"""Residual nets: the preactivation family for small pictures, and ResNet-34.

`preact` has three stages of `blocks` basic blocks each (6·blocks + 2 layers: 3 blocks make ResNet-20); from stage to
stage the number of filters doubles and the picture is halved: He et al., Identity Mappings in Deep Residual Networks,
2016. With one input channel and 10 classes ResNet-preact-20 has 273,370 parameters, as in
github.com/hysts/pytorch_image_classification.
`resnet34` has the 7x7 stem and the 3-4-6-3 basic blocks of He et al., Deep Residual Learning, 2015: 21,300,554.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces import activations, compile_settings

#: The purpose of each hyperparameter.
PARAMETERS: Mapping[str, str] = {
    "variant": "preact: three stages, for small pictures; resnet34: 21 million weights, slow without a GPU.",
    "blocks": "Residual blocks in each of preact's three stages; 3 make ResNet-20.",
    "filters": "Filters of preact's first stage; each later stage has twice as many.",
    "width": "Multiplies the number of preact's filters. Not searched: fix it to 2 or more for nets that need a GPU.",
    "dropout": "Share of features that is set to zero in training, before the class probabilities.",
    **activations.PARAMETERS,
    **compile_settings.PARAMETERS,
}

_RESNET34_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build and compile one net; its input is float32, shape (batch, height, width, channels), in [0, 1]."""
    variant = hp.Choice("variant", ["preact", "resnet34"], default="preact")
    with hp.conditional_scope("variant", ["preact"]):
        blocks = hp.Int("blocks", 1, 3, default=3)
        filters = hp.Int("filters", 8, 32, step=8, default=16)
        width = hp.Fixed("width", 1)
    activation = activations.choose_activation(hp)
    dropout = hp.Float("dropout", 0.0, 0.5, step=0.1, default=0.0)

    inputs = keras.Input(images.shape)
    if variant == "preact":
        x = _preact(inputs, blocks=blocks, filters=filters * width, activation=activation)
    else:
        x = resnet34(inputs, activation)
    x = keras.layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    outputs = keras.layers.Dense(images.n_classes, activation="softmax")(x)
    return compile_settings.compile_classifier(keras.Model(inputs, outputs, name=variant), hp)


def _preact(x: Any, *, blocks: int, filters: int, activation: Callable[[], keras.layers.Layer]) -> Any:
    x = _convolve(x, filters)
    for stage in range(3):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            x = _preact_block(x, filters * 2**stage, stride=stride, activation=activation)
    return activation()(keras.layers.BatchNormalization()(x))


def _preact_block(x: Any, filters: int, *, stride: int, activation: Callable[[], keras.layers.Layer]) -> Any:
    residual = activation()(keras.layers.BatchNormalization()(x))
    # Where the shape changes the shortcut is a projection of the activated input, as in the paper's figure 1.
    changed = stride > 1 or x.shape[-1] != filters
    shortcut = _convolve(residual, filters, kernel_size=1, stride=stride) if changed else x
    residual = _convolve(residual, filters, stride=stride)
    residual = activation()(keras.layers.BatchNormalization()(residual))
    return keras.layers.add([shortcut, _convolve(residual, filters)])


def resnet34(x: Any, activation: Callable[[], keras.layers.Layer], *, kernel_initializer: str = "he_normal") -> Any:
    """Apply stem and residual blocks of ResNet-34 to a tensor of shape (batch, height, width, channels)."""
    convolve = partial(_convolve, kernel_initializer=kernel_initializer)
    x = activation()(keras.layers.BatchNormalization()(convolve(x, 64, kernel_size=7, stride=2)))
    x = keras.layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for filters, blocks in _RESNET34_STAGES:
        for _ in range(blocks):
            # Where the filters double the picture is halved; the first stage has as many as the stem.
            stride = 1 if filters == x.shape[-1] else 2
            x = _basic_block(x, filters, stride=stride, activation=activation, convolve=convolve)
    return x


def _basic_block(
    x: Any, filters: int, *, stride: int, activation: Callable[[], keras.layers.Layer], convolve: Callable[..., Any]
) -> Any:
    residual = keras.layers.BatchNormalization()(convolve(x, filters, stride=stride))
    residual = keras.layers.BatchNormalization()(convolve(activation()(residual), filters))
    if stride > 1:
        x = keras.layers.BatchNormalization()(convolve(x, filters, kernel_size=1, stride=stride))
    return activation()(keras.layers.add([x, residual]))


def _convolve(
    x: Any, filters: int, *, kernel_size: int = 3, stride: int = 1, kernel_initializer: str = "he_normal"
) -> Any:
    """Convolve without an offset: batch normalization, before or after it, adds one."""
    return keras.layers.Conv2D(
        filters, kernel_size, strides=stride, padding="same", use_bias=False, kernel_initializer=kernel_initializer
    )(x)
