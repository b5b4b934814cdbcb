import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from tuner.datasets.images import ImageFormat


@pytest.fixture(scope="session")
def digits() -> ImageFormat:
    """The format of scikit-learn's 8x8 digits."""
    return ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.uint8]:
    """32 of these digits."""
    return (load_digits().images[:32] * 255 / 16).astype(np.uint8)[..., np.newaxis]
