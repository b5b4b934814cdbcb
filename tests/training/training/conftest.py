from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from tuner.datasets.images import LabelledImages
from tuner.training.plan import TrainingData


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            # Keras 3.15.1: `Variable.numpy` calls `__array__` in a way that NumPy 2 deprecates.
            item.add_marker(pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"))


@pytest.fixture
def kernels_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what TensorFlow has made of programs that tests share: 0.2 s of a core each time that a seed is set.

    It forgets all of it with each seed, for random operations of its own, such as those of `Model.fit` that shuffles:
    not for tests that compare with that.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf
    from tensorflow.python.eager.context import Context

    monkeypatch.setattr(tf.random, "set_seed", lambda _: None)
    monkeypatch.setattr(Context, "clear_kernel_cache", lambda _: None)


@pytest.fixture(autouse=True)
def _fresh_session() -> None:
    # A program that another test compiled is taken for an equal model, as by the next trial of a worker: compiling is
    # most of what these tests take. `test_program_cache.py` tests that this changes nothing.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(7)


@pytest.fixture(scope="session")
def digits() -> TrainingData:
    """250 real 8 by 8 digits to train on, 100 to validate on."""
    bunch = load_digits()
    images = (bunch.images * 255 / 16).astype(np.uint8)[..., None]
    everything = LabelledImages(images=images, labels=bunch.target.astype(np.int64), class_names=tuple("0123456789"))
    return TrainingData(train=everything.take(np.arange(250)), validation=everything.take(np.arange(250, 350)))
