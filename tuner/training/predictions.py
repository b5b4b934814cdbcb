"""A trained model's probabilities for images."""

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.training.batches import scale

#: Images turned into floats at a time: bounds memory, whatever the number of images.
CHUNK_SIZE = 8192


def predict_probabilities(
    model: keras.Model, images: NDArray[np.uint8], *, batch_size: int = 512
) -> NDArray[np.float32]:
    """Return each class's probability for each image.

    Args:
        model: Built, for float32 images in [0, 1].
        images: uint8, shape (n, height, width, channels).
        batch_size: Images computed at a time.

    Returns:
        float32, shape (n, classes), in the order of the images.
    """
    if not len(images):
        return np.empty((0, model.output_shape[-1]), np.float32)
    chunks = [
        model.predict(keras.ops.convert_to_numpy(scale(images[start : start + CHUNK_SIZE])), batch_size, verbose=0)
        for start in range(0, len(images), CHUNK_SIZE)
    ]
    return np.concatenate(chunks).astype(np.float32)
