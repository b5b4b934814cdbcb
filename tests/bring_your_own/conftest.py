from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tuner.training.backend import load_backend

pytest.register_assert_rewrite("outcomes", "trying")

_HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def _frameworks() -> None:
    """Import the frameworks as workers do, so that what they leave is looked through by no garbage collection."""
    load_backend()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real digits as an archive: 500 to train and validate on, 100 to test, uint8, 8x8, ten classes."""
    found = load_digits()
    images = (found.images * (255 / 16)).astype(np.uint8)
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez_compressed(
        path,
        x_train=images[:500],
        y_train=found.target[:500],
        x_test=images[500:600],
        y_test=found.target[500:600],
    )
    return path


@pytest.fixture(scope="session")
def two_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zeros and ones: 240 to train and validate on, 60 to test."""
    found = load_digits(n_class=2)
    images = (found.images * (255 / 16)).astype(np.uint8)
    path = tmp_path_factory.mktemp("two-digits") / "two.npz"
    np.savez_compressed(
        path,
        x_train=images[:240],
        y_train=found.target[:240],
        x_test=images[240:300],
        y_test=found.target[240:300],
    )
    return path


@pytest.fixture(autouse=True)
def _in_this_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builders are found in the current folder, as a person's are."""
    monkeypatch.chdir(_HERE)
