"""From stored images to what a model takes."""

from typing import Any

from keras import ops

#: The largest value of uint8.
_WHITE_PIXEL = 255


def scale(images: Any, white: float = 1.0) -> Any:
    """Turn uint8 pixels into float32 in [0, white]: NumPy's arrays, TensorFlow's and JAX's, inside a program too.

    `white` is what `image_ranges.white_of` says of the model that takes them.
    """
    pixels = ops.cast(images, "float32")
    # Where white is 255, the values stay exactly what they are.
    return pixels if white == _WHITE_PIXEL else pixels / (_WHITE_PIXEL / white)
