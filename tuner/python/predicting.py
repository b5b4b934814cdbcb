"""Predict what a script has at hand: arrays, or picture files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.bundles.array_images import read_images
from tuner.bundles.bundle import Bundle
from tuner.bundles.picture_files import read_pictures
from tuner.training.backend import load_backend


def predict(bundle: Bundle, images: NDArray[Any] | str | Path | Sequence[str | Path]) -> NDArray[np.float32]:
    """Return each class's probability for each image, see `Study.predict`."""
    if isinstance(images, str | Path):
        images = [images]
    if isinstance(images, list | tuple) and all(isinstance(one, str | Path) for one in images):
        read = read_pictures([Path(one) for one in images], bundle.description)
    else:
        read = read_images(np.asarray(images), bundle.description)
    load_backend()
    from tuner.training.predictions import predict_probabilities

    return predict_probabilities(bundle.build_model(), read)
