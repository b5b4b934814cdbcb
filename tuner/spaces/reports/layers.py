"""Convolutions and poolings of the recipes, which leave something of the smallest picture."""

from typing import Any

import keras


def convolve(x: Any, filters: int, kernel_size: int, *, padding: str = "same") -> Any:
    """Convolve with Keras' default initializer; `valid` padding becomes `same` where the kernel is too large for it."""
    fits = min(x.shape[1:3]) >= kernel_size
    return keras.layers.Conv2D(filters, kernel_size, padding=padding if fits else "same")(x)


def halve(x: Any, pooling: str = "max") -> Any:
    """Pool 2x2 pixels, by their maximum or their average, unless a side is one pixel."""
    if min(x.shape[1:3]) == 1:
        return x
    return (keras.layers.MaxPooling2D if pooling == "max" else keras.layers.AveragePooling2D)(2)(x)
