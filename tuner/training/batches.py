"""From stored images to what a model takes."""

from typing import Any

from keras import ops


def scale(images: Any) -> Any:
    """Turn uint8 pixels into float32 in [0, 1]: NumPy's arrays, TensorFlow's and JAX's, inside a program too."""
    return ops.cast(images, "float32") / 255
