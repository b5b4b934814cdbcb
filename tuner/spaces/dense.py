"""Hidden dense layers, which make up the perceptron and the end of a convolutional net."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True, kw_only=True)
class DenseLayers:
    """A stack of equal hidden layers: dense, batch normalization, activation, dropout."""

    layers: int
    units: int
    activation: Callable[[], keras.layers.Layer]
    batch_normalization: bool
    #: Share of outputs set to zero while training, in [0, 1).
    dropout: float

    def __call__(self, x: Any) -> Any:
        """Apply the stack to a tensor of shape (batch, features)."""
        for _ in range(self.layers):
            # Batch normalization adds its own offset.
            x = keras.layers.Dense(self.units, use_bias=not self.batch_normalization)(x)
            if self.batch_normalization:
                x = keras.layers.BatchNormalization()(x)
            x = self.activation()(x)
            if self.dropout:
                x = keras.layers.Dropout(self.dropout)(x)
        return x
