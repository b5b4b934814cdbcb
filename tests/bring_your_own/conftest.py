from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.datasets import load_digits

pytest.register_assert_rewrite("outcomes", "trying")

if TYPE_CHECKING:
    from trying import Workplace

_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Workplace"]:
    """Where all studies of this process are."""
    # Keras comes with it, which cases of data alone can do without.
    from trying import open_workplace

    with open_workplace(tmp_path_factory.mktemp("workplace")) as opened:
        yield opened


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real digits as an archive: 500 to train and validate on, 100 to test, uint8, 8x8, ten classes."""
    return _write_digits(tmp_path_factory.mktemp("digits") / "digits.npz", n_train=500, n_test=100)


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `digits`: 100 to train and validate on, 50 to test."""
    return _write_digits(tmp_path_factory.mktemp("digits") / "few.npz", n_train=100, n_test=50)


def _write_digits(path: Path, *, n_train: int, n_test: int) -> Path:
    found = load_digits()
    images = (found.images * (255 / 16)).astype(np.uint8)
    train, test = slice(n_train), slice(n_train, n_train + n_test)
    np.savez_compressed(
        path, x_train=images[train], y_train=found.target[train], x_test=images[test], y_test=found.target[test]
    )
    return path


@pytest.fixture(autouse=True)
def _in_this_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builders are found in the current folder, as a person's are."""
    monkeypatch.chdir(_HERE)
