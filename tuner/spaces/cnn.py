"""A convolutional net: blocks of convolutions, each halving the picture and adding filters, then dense layers.

Filters, kernel size and padding are one hyperparameter each for all blocks, because multivariate TPE learns only from
hyperparameters that every trial has. The picture may be as small as 1x1: a block halves it only if it can be halved,
and `valid` padding is used only for pictures more than three kernels wide, as it would leave nothing of an 8x8 digit.

The defaults (83,994 weights for MNIST) reached 99.57 % of 6,000 validation images in 12 epochs of 54,000 with rotation
10, zoom 0.1, shift 0.1 and a cosine to zero, 99.38 % at a constant rate, at 17 CPU seconds an epoch (2 cores, one
seed).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.spaces import activations, compile_settings
from tuner.spaces.dense import DenseLayers

#: The purpose of each hyperparameter.
PARAMETERS: Mapping[str, str] = {
    "blocks": "Blocks of convolutions; each halves the picture while it is larger than one pixel.",
    "convolutions": "Convolutions in each block.",
    "filters": "Filters of each convolution in the first block.",
    "growth": "Factor by which the number of filters grows from block to block.",
    "width": "Multiplies the number of all filters. Not searched: fix it to 2 or more for nets that need a GPU.",
    "kernel_size": "Side of every convolution's kernel, in pixels.",
    "stride": "Step of the first convolution, in pixels; 2 takes a quarter of the work and loses detail.",
    "padding": "Edge of the picture: same pads with zeros and keeps its size, valid shrinks large pictures.",
    "pooling": "What halves the picture at a block's end: a pooling, or a step of 2 in the block's last convolution.",
    "batch_normalization": "Normalize each layer's outputs before the activation.",
    "block_dropout": "Share of each block's outputs that is set to zero in training.",
    "head": "From picture to row: flatten keeps where each feature was found, average only how strong it was.",
    "dense_layers": "Hidden dense layers between the last block and the class probabilities.",
    "dense_units": "Neurons of each hidden dense layer.",
    "dropout": "Share of outputs that is set to zero in training, in dense layers and before the class probabilities.",
    **activations.PARAMETERS,
    **compile_settings.PARAMETERS,
}


def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
    """Build and compile one net; its input is float32, shape (batch, height, width, channels), in [0, 1]."""
    activation = activations.choose_activation(hp)
    batch_normalization = hp.Boolean("batch_normalization", default=True)
    blocks = _choose_blocks(hp, activation=activation, batch_normalization=batch_normalization)
    head = hp.Choice("head", ["flatten", "average"], default="flatten")
    dropout = hp.Float("dropout", 0.0, 0.6, step=0.1, default=0.3)
    dense_layers = hp.Int("dense_layers", 0, 3, default=1)
    with hp.conditional_scope("dense_layers", [1, 2, 3]):
        dense_units = hp.Int("dense_units", 16, 512, sampling="log", default=128)

    inputs = keras.Input(images.shape)
    x = blocks(inputs)
    x = keras.layers.Flatten()(x) if head == "flatten" else keras.layers.GlobalAveragePooling2D()(x)
    if dense_layers:
        x = DenseLayers(
            layers=dense_layers,
            units=dense_units,
            activation=activation,
            batch_normalization=batch_normalization,
            dropout=dropout,
        )(x)
    elif dropout:
        x = keras.layers.Dropout(dropout)(x)
    outputs = keras.layers.Dense(images.n_classes, activation="softmax")(x)
    return compile_settings.compile_classifier(keras.Model(inputs, outputs, name="cnn"), hp)


def _choose_blocks(
    hp: keras_tuner.HyperParameters, *, activation: Callable[[], keras.layers.Layer], batch_normalization: bool
) -> "_Blocks":
    n_blocks = hp.Int("blocks", 1, 3, default=2)
    convolutions = hp.Int("convolutions", 1, 3, default=2)
    filters = hp.Int("filters", 8, 32, step=8, default=16)
    growth = hp.Float("growth", 1.0, 2.0, step=0.5, default=2.0)
    width = hp.Fixed("width", 1)
    return _Blocks(
        filters=[round(filters * width * growth**block) for block in range(n_blocks)],
        convolutions=convolutions,
        kernel_size=hp.Int("kernel_size", 3, 7, step=2, default=3),
        stride=hp.Int("stride", 1, 2, default=1),
        padding=hp.Choice("padding", ["same", "valid"], default="valid"),
        pooling=hp.Choice("pooling", ["max", "average", "stride"], default="max"),
        activation=activation,
        batch_normalization=batch_normalization,
        dropout=hp.Float("block_dropout", 0.0, 0.5, step=0.05, default=0.1),
    )


@dataclass(frozen=True, kw_only=True)
class _Blocks:
    """The convolutional part of a net."""

    #: For each block.
    filters: list[int]
    convolutions: int
    kernel_size: int
    #: Step of the very first convolution.
    stride: int
    padding: str
    pooling: str
    activation: Callable[[], keras.layers.Layer]
    batch_normalization: bool
    dropout: float

    def __call__(self, x: Any) -> Any:
        """Apply all blocks to a tensor of shape (batch, height, width, channels)."""
        for block, filters in enumerate(self.filters):
            for convolution in range(self.convolutions):
                first = block == 0 and convolution == 0
                halves = self.pooling == "stride" and convolution == self.convolutions - 1
                x = self._convolve(x, filters, stride=(self.stride if first else 1) * (2 if halves else 1))
            if self.pooling != "stride" and _side(x) > 1:
                pool = keras.layers.MaxPooling2D if self.pooling == "max" else keras.layers.AveragePooling2D
                x = pool(2)(x)
            if self.dropout:
                x = keras.layers.Dropout(self.dropout)(x)
        return x

    def _convolve(self, x: Any, filters: int, *, stride: int) -> Any:
        x = keras.layers.Conv2D(
            filters,
            self.kernel_size,
            strides=stride,
            padding=self.padding if _side(x) > 3 * self.kernel_size else "same",
            use_bias=not self.batch_normalization,
            kernel_initializer="he_normal",
        )(x)
        if self.batch_normalization:
            x = keras.layers.BatchNormalization()(x)
        return self.activation()(x)


def _side(x: Any) -> int:
    """Return the shorter side of a tensor of shape (batch, height, width, channels)."""
    height, width = x.shape[1:3]
    return int(min(height, width))
